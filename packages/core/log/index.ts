export type { ChainClaim, ChainLink } from './chain.ts';
export { chainStart, MAX_CHAIN_LINKS, nextChainHash, verifyChain } from './chain.ts';
export type { Checkpoint, ParsedCheckpoint } from './checkpoint.ts';
export { formatCheckpoint, MAX_CHECKPOINT_LENGTH, parseCheckpoint } from './checkpoint.ts';
export type { Cosignature, KnownSignature, SignatureVerifier } from './cosignature.ts';
export {
  cosignatureMessage,
  decodeCosignature,
  encodeCosignature,
  openCosignatures,
  openCosignaturesAsync,
  openSignatures,
  openSignaturesAsync,
} from './cosignature.ts';
export type { Leaf, LeafSignature, PersonalLeaf, PublicLeaf } from './entry.ts';
export {
  coarseHour,
  encodePersonalLeaf,
  encodePublicLeaf,
  hourStart,
  MAX_LEAF_SIGNATURES,
  parseLeaf,
  parseLeafOrNull,
} from './entry.ts';
export type { ConsistencyClaim, InclusionClaim } from './merkle.ts';
export {
  CompactRange,
  emptyRoot,
  HASH_LENGTH,
  leafHash,
  MAX_PROOF_HASHES,
  MAX_TREE_SIZE,
  nodeHash,
  verifyConsistency,
  verifyInclusion,
} from './merkle.ts';
export type {
  CosignerKey,
  NoteKey,
  NoteKeyType,
  NoteSignature,
  OpenedNote,
  UnverifiedNote,
} from './note.ts';
export {
  cosignerKey,
  formatNote,
  formatVerifierKey,
  MAX_NOTE_LENGTH,
  MAX_NOTE_SIGNATURES,
  noteKey,
  noteMessage,
  openNote,
  openNoteAsync,
  parseCosignerKey,
  parseNote,
  parseVerifierKey,
  signerId,
} from './note.ts';
export type { Policy, PolicyGroup, PolicyLog, PolicyWitness } from './policy.ts';
export {
  formatPolicy,
  isSatisfied,
  MAX_POLICY_BYTES,
  MAX_POLICY_ENTRIES,
  MAX_POLICY_LINES,
  parsePolicy,
} from './policy.ts';
export type { TileReader } from './proof.ts';
export {
  consistencyProof,
  inclusionProof,
  inclusionProofs,
  MAX_PROOF_BATCH,
  rootFromTiles,
} from './proof.ts';
export type { ResourcePosition, TilePosition } from './tile.ts';
export {
  decodeEntryBundle,
  decodeTile,
  encodeEntryBundle,
  encodeTile,
  FULL_TILE_BYTES,
  MAX_ENTRY_BYTES,
  parseTilePath,
  TILE_HEIGHT,
  TILE_WIDTH,
  tilePath,
  tilesBetween,
  tilesForSize,
  tileWidth,
} from './tile.ts';
export type { TlogProof, VerifiedTlogProof } from './tlog-proof.ts';
export {
  formatTlogProof,
  MAX_TLOG_PROOF_EXTRA_BYTES,
  parseTlogProof,
  verifyTlogProof,
} from './tlog-proof.ts';
