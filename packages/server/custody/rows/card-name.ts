import type { TextValue, ValueCode } from './codes.ts';
import type { IdentifierRule } from './identifiers.ts';
import { parseCnic } from './identifiers.ts';

/** Which side of a card a file shows. */
export type CardSide = 'front' | 'back';

const pattern = /^(\d{5}-?\d{7}-?\d)\.(front|back)\.jpe?g$/i;

/**
 * Reads whose card and which side a file is from its name, `00000-0000000-0.front.jpg` (dashes may
 * be missing, folders are not allowed). The name itself is personal: it goes into no message.
 */
export function readCardName(
  name: string,
  rule: IdentifierRule,
): { readonly cnic: TextValue; readonly side: CardSide } | ValueCode | 'bad-file-name' {
  const parts = pattern.exec(name);
  if (parts === null) return 'bad-file-name';
  const cnic = parseCnic(parts[1] as string, rule);
  if (typeof cnic === 'string') return cnic;
  return { cnic, side: (parts[2] as string).toLowerCase() as CardSide };
}
