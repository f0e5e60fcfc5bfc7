/** Whose tree it is: the name in `from.call` of its root. */
export function principalOf(root: string): string {
  return root.slice(0, root.indexOf('.'));
}
