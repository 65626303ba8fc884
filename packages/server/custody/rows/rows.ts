/** From an upload's bytes to validated rows, and from rows to what is stored: the door of this folder. */
export type { RejectCode, Rejection, RowBatch, RowValue, Totals } from './codes.ts';
export { rejectAdvice } from './codes.ts';
export type { EncodedRow, RowPlan } from './digest.ts';
export { encodeRow, planRow } from './digest.ts';
export type { Encoding } from './encoding.ts';
export { encodings } from './encoding.ts';
export type { FramedFile } from './frames.ts';
export { decodeFrames, encodeFrames, FrameError } from './frames.ts';
export { decodeGroup } from './group.ts';
export type { FilePlace, FileRefusal } from './headings.ts';
export { describeRefusal } from './headings.ts';
export type { IdentifierRule } from './identifiers.ts';
export { parseCnic, parseMsisdn, toAsciiDigits } from './identifiers.ts';
export { readImages } from './images.ts';
export type { Mapping } from './mapping.ts';
export { parseMapping } from './mapping.ts';
export { RowBound, readTable } from './table.ts';
