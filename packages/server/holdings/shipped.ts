import { readFileSync } from 'node:fs';

/** The holdings whose declarations are shipped. */
export const shippedHoldings = [
  'sim-registrations',
  'travel-history',
  'identity-card-images',
] as const;
/** One of {@link shippedHoldings}. */
export type ShippedHolding = (typeof shippedHoldings)[number];

/** The bytes of a shipped declaration, to be parsed like anybody's file. */
export function readShipped(holding: ShippedHolding): Uint8Array {
  return readFileSync(new URL(`./shipped/${holding}.yaml`, import.meta.url));
}
