import { CoreError } from '../errors.ts';

/** Most shares of a secret, and most of them that may be asked for. */
export const SHARES_MAX = 16;

/** One part of a split secret: the polynomials' values at `index`. */
export interface ShamirShare {
  /** From 1 on; at 0 stands the secret. */
  readonly index: number;
  /** As long as the secret. */
  readonly value: Uint8Array;
}

/**
 * Splits a secret into shares of which any `threshold` give it back and fewer tell nothing (Shamir, 1979): for each byte a
 * polynomial over GF(2^8), modulo x^8 + x^4 + x^3 + x + 1, whose value at 0 is the byte.
 * @param random gives so many random bytes, of which this keeps none
 * @throws CoreError 'out-of-range' where not 2 ≤ threshold ≤ count ≤ {@link SHARES_MAX}, or nothing is to be split
 */
export function makeShares(
  secret: Uint8Array,
  { threshold, count }: { readonly threshold: number; readonly count: number },
  random: (bytes: number) => Uint8Array,
): readonly ShamirShare[] {
  const isWhole = Number.isInteger(threshold) && Number.isInteger(count);
  if (!isWhole || threshold < 2 || threshold > count || count > SHARES_MAX || secret.length === 0) {
    throw new CoreError('out-of-range', 'a secret is not split so');
  }
  const coefficients = [
    secret,
    ...Array.from({ length: threshold - 1 }, () => random(secret.length)),
  ];
  const shares = Array.from({ length: count }, (_, at) => {
    const index = at + 1;
    const value = new Uint8Array(secret.length);
    for (const coefficient of coefficients.toReversed()) {
      for (let i = 0; i < value.length; i++) {
        value[i] = multiply(value[i] as number, index) ^ (coefficient[i] as number);
      }
    }
    return { index, value };
  });
  for (const coefficient of coefficients.slice(1)) coefficient.fill(0);
  return shares;
}

/**
 * The secret of as many shares as were asked for. Of too few, or of shares of different secrets, it gives other bytes:
 * whoever combines them has to know by what to tell the secret.
 * @throws CoreError 'out-of-range' where one index comes twice or is none, or lengths differ
 */
export function combineShares(shares: readonly ShamirShare[]): Uint8Array {
  const length = shares[0]?.value.length ?? 0;
  const indexes = new Set(shares.map(({ index }) => index));
  const fits = shares.every(
    ({ index, value }) =>
      Number.isInteger(index) && index >= 1 && index <= SHARES_MAX && value.length === length,
  );
  if (length === 0 || indexes.size !== shares.length || !fits) {
    throw new CoreError('out-of-range', 'shares do not go together');
  }
  const secret = new Uint8Array(length);
  for (const { index, value } of shares) {
    let weight = 1;
    for (const { index: other } of shares) {
      if (other !== index) weight = multiply(weight, divide(other, other ^ index));
    }
    for (let i = 0; i < length; i++) {
      secret[i] = (secret[i] as number) ^ multiply(value[i] as number, weight);
    }
  }
  return secret;
}

/** Product in GF(2^8). Neither branches nor looks up by what is secret, so that its time tells nothing. */
function multiply(a: number, b: number): number {
  let product = 0;
  let shifted = a;
  for (let bit = 0; bit < 8; bit++) {
    product ^= -((b >> bit) & 1) & shifted;
    shifted = ((shifted << 1) ^ (-(shifted >> 7) & 0x11b)) & 0xff;
  }
  return product;
}

/** Quotient in GF(2^8) by a number that is not 0: of indexes, which are no secret. */
function divide(a: number, b: number): number {
  let inverse = 1;
  // b^254: 254 is every bit but the first.
  for (let power = b, bit = 1; bit < 8; bit++) {
    power = multiply(power, power);
    inverse = multiply(inverse, power);
  }
  return multiply(a, inverse);
}
