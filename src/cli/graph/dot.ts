/**
 * The graph in the language of Graphviz.
 */
import type { Arrow, Graph } from './model.js';

/** The text of a `.dot` file. */
export function dotOf({ boxes, arrows }: Graph): string {
  const most = Math.max(1, ...arrows.map(({ calls }) => calls));
  const nodes = boxes.map(({ name, ports, nobody }) => {
    const fields = ports.map(({ capability }, i) => `<p${i}> ${field(capability)}`);
    const label = [field(name), ...fields].join('|');
    return `  ${quoted(name)} [label=${quoted(label)}${nobody ? ', style="rounded,dashed"' : ''}];`;
  });
  const edges = arrows.map((arrow) => edge(arrow, boxes, most));
  return [
    'digraph mesh {',
    '  rankdir=LR;',
    '  node [shape=record, style=rounded, fontname="Helvetica"];',
    '  edge [fontname="Helvetica", fontsize=10];',
    ...nodes,
    ...edges,
    '}',
    '',
  ].join('\n');
}

function edge(arrow: Arrow, boxes: Graph['boxes'], most: number): string {
  const { from, to, capability, calls, errors, refused } = arrow;
  const box = boxes.find(({ name }) => name === to);
  const port = box?.ports.findIndex((one) => one.capability === capability) ?? 0;
  const width = (1 + 3 * (Math.log1p(calls) / Math.log1p(most))).toFixed(1);
  const colour = errors > 0 ? ', color="#c0392b"' : refused > 0 ? ', color="#b7791f"' : '';
  return `  ${quoted(from)} -> ${quoted(to)}:p${port} [label="${calls}", penwidth=${width}${colour}];`;
}

function quoted(text: string): string {
  return `"${text.replaceAll('"', '\\"')}"`;
}

/** In a record these steer its shape. */
function field(text: string): string {
  return text.replace(/[\\{}|<> "]/g, (c) => `\\${c}`);
}
