export type { CosigningKey, CosigningKind } from './cosign.ts';
export {
  cosign,
  exportCosigningKey,
  generateCosigningKey,
  importCosigningKey,
  notePublicKey,
  verifyNoteSignature,
} from './cosign.ts';
export type { RecordName } from './derive.ts';
export {
  deriveKey,
  deriveRecordKey,
  RECORD_KEY_BYTES,
  RECORD_NONCE_BYTES,
  recordAad,
  recordAads,
  recordKeys,
} from './derive.ts';
export type { Exporter, Sealed, SealingKey } from './hpke.ts';
export { generateSealingKey, importSealingKey, openSealed, sealTo } from './hpke.ts';
export { encodeNames, MacKey } from './mac.ts';
export { open, openOnce, SEAL_NONCE_BYTES, seal, sealOnce, secretKey } from './seal.ts';
export type { ShamirShare } from './shamir.ts';
export { combineShares, makeShares, SHARES_MAX } from './shamir.ts';
export type { RootShare } from './share.ts';
export { formatShare, parseShare, SHARE_TEXT_MAX, shareCommitment, splitShares } from './share.ts';
export type { KeyKind, PublicKey, SigningKey } from './sign.ts';
export {
  exportSigningKey,
  generateSigningKey,
  importSigningKey,
  keyId,
  parsePublicKey,
  SIGNATURE_BYTES,
  sign,
  verify,
  verifyAside,
} from './sign.ts';
