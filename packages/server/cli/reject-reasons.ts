import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { RejectReason } from '../custody/custody.ts';
import { reasonAdvice } from '../custody/custody.ts';
import { format } from './progress.ts';

/** Rows that were rejected, by the reason. */
export type ReasonCounts = Readonly<Record<string, number>>;

/** Counts the reasons in a list of rejected rows; none where the list cannot be read here. */
export async function countReasons(path: string): Promise<ReasonCounts> {
  const counts: Record<string, number> = {};
  try {
    let isHeading = true;
    for await (const line of createInterface({ input: createReadStream(path) })) {
      const reason = line.slice(line.lastIndexOf(',') + 1);
      if (!isHeading) counts[reason] = (counts[reason] ?? 0) + 1;
      isHeading = false;
    }
  } catch {
    return {};
  }
  return counts;
}

/** A line for each reason: how many rows, and what it means. */
export function describeReasons(counts: ReasonCounts): string[] {
  return Object.entries(counts).map(
    ([reason, count]) => `    ${reason}  ${format(count)}: ${reasonAdvice[reason as RejectReason]}`,
  );
}
