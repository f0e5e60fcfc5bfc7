/**
 * Who holds a slot, as it stands in the bucket: a gateway, and the connection on which it said so.
 */

/** A gateway on one connection. */
export interface Holder {
  readonly gateway: string;
  /** What the server calls itself, and the connection. */
  readonly server: string;
  readonly client: number;
}

/** As text. */
export function holderText({ gateway, server, client }: Holder): string {
  return `${gateway} ${server} ${client}`;
}

/** From text; undefined when it is none. */
export function readHolder(text: string): Holder | undefined {
  const [gateway = '', server = '', client = ''] = text.split(' ');
  return server === '' || !/^\d+$/.test(client) ? undefined : { gateway, server, client: Number(client) };
}
