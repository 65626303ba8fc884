/** The value below which the share `q` of them lies, rounded as {@link rounded}. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = Math.min(sorted.length - 1, Math.floor(q * sorted.length));
  return rounded(sorted[at] ?? 0);
}

/** To two places. */
export function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}
