import { isIP } from 'node:net';
import type { FastifyRequest } from 'fastify';

const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;

/**
 * Whom an address stands for where attempts are counted: an IPv4 address, or the /64 of an IPv6 address, which one
 * subscriber has whole.
 */
export function networkOf(address: string): string {
  const [, mapped] = MAPPED.exec(address) ?? [];
  if (mapped !== undefined) return mapped;
  if (!address.includes(':')) return address;
  const [head = '', tail] = address.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : 8 - left.length - right.length;
  const parts = [...left, ...Array<string>(Math.max(0, zeros)).fill('0'), ...right].slice(0, 4);
  // One network has many spellings: 0db8 is db8 is DB8.
  return parts.map((part) => Number.parseInt(part, 16).toString(16)).join(':');
}

/**
 * Whose word about others is taken, for Fastify's `trustProxy`: a proxy's that is connected to us, about the one client
 * that it names itself. What else stands in X-Forwarded-For came from that client, who can write what it likes.
 */
export function trustOf(proxies: readonly string[]): (address: string, hop: number) => boolean {
  return (address, hop) => hop === 0 && proxies.includes(address);
}

/**
 * The address that a request's failures are counted under; it is never kept or written. Null over the Unix socket,
 * which is its owner's alone. A proxy that names its client by anything but an address answers for it itself.
 */
export function clientOf({ ip, socket }: FastifyRequest): string | null {
  const { remoteAddress } = socket;
  if (remoteAddress === undefined) return null;
  return isIP(ip) === 0 ? remoteAddress : ip;
}
