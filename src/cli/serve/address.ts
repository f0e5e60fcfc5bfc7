/**
 * Addresses to listen on.
 */
import { isIP } from 'node:net';
import { InvalidArgumentError } from 'commander';

/** A host and a port of this machine. */
export interface Address {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
}

/** Parser of `[host:]port`; without a host it is loopback. */
export function address(text: string): Address {
  const [, bracketed, plain, digits = ''] =
    /^(?:(?:\[([\da-f:]+)\]|([\w.-]+)):)?(\d{1,5})$/i.exec(text) ?? [];
  const port = Number(digits);
  if (digits === '' || port > 65_535) {
    throw new InvalidArgumentError('It must be [host:]port, for example 4300 or 127.0.0.1:4300.');
  }
  return { host: bracketed ?? plain ?? '127.0.0.1', port };
}

/** Only this machine can reach it. */
export function isLoopback({ host }: Address): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

/** It stands for every address of this machine. */
export function isWildcard({ host }: Address): boolean {
  return host === '0.0.0.0' || host === '::';
}
