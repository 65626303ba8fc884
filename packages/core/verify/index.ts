export { publicTypes } from '../grants/documents.ts';
export type { PublicLeaf, ResourcePosition, TileReader } from '../log/index.ts';
export { tilePath } from '../log/index.ts';
export type { RecordRead, Statement, StatementKind } from '../statement.ts';
export { VIEW_SUBJECTS_MAX } from '../view.ts';
export type { HistoryAnswer } from './answer.ts';
export type { ViewSession } from './ask.ts';
export { askForView, formatAccessCode, parseAccessCode, readTypedCode } from './ask.ts';
export type { BundleVerification } from './bundle.ts';
export { BUNDLE_CHARACTERS_MAX, makeBundle, verifyBundle } from './bundle.ts';
export type { OpenedCheckpoint } from './checkpoint.ts';
export { openCheckpoint } from './checkpoint.ts';
export type { Check, CheckFailure, CheckId, FailedAt } from './checks.ts';
export { CHECKS } from './checks.ts';
export type { LogEntry } from './entries.ts';
export { readLatestEntries } from './entries.ts';
export type {
  HistoryMaterial,
  InstanceKeys,
  ReadEntry,
  Verification,
  VerifiedChain,
  VerifiedEntry,
} from './history.ts';
export { HEAD_AGE_MAX_MS, verifyHistory } from './history.ts';
export type { AppointedWitnesses, ClaimedBreak, InstanceAnswer } from './instance.ts';
export { brokenGlassOf, claimedKeys, readInstanceKeys } from './instance.ts';
export type { CertifiedEntry, ShredVerification } from './shred-proof.ts';
export { isShredProof, makeShredProof, verifyShredProof } from './shred-proof.ts';
export type { Cosigner, Witnessed, WitnessKeys } from './witnesses.ts';
export { checkWitnesses } from './witnesses.ts';
