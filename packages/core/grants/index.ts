export type { Ask, Decision, GrantRefusal, SecondPersonReason } from './decide.ts';
export { chargedDay, decide } from './decide.ts';
export type {
  Agency,
  Approval,
  Certificate,
  Declaration,
  DeclaredField,
  DocumentOf,
  Genesis,
  GrantRow,
  Grants,
  Identifier,
  ImportBegun,
  ImportEnded,
  LogKeyDocument,
  PublicDocument,
  Request,
  Seal,
  SealExtension,
  SealRules,
  SealsCounted,
  Signed,
  TwoPersonType,
  Witnesses,
} from './documents.ts';
export {
  documentHash,
  origin,
  publicDocuments,
  readDocument,
  readDocumentOrNull,
  readPublicDocument,
  SEAL_COUNTS_MAX,
  SEAL_INERT_MAX,
  SECONDARY_MAX,
  SUBJECTS_MAX,
  signingInput,
  TWO_PERSON_TYPES,
  writeDocument,
} from './documents.ts';
export type {
  AnnouncedImport,
  AppointedLogKey,
  CertifiedKey,
  EntryRefusal,
  ExpiredMonth,
  ExpiringMonth,
  KeyRefusal,
  Order,
  SealCount,
  Witnessing,
} from './register.ts';
export { expiresFrom, quorumOf, Register, signedLeaf } from './register.ts';
export type { SealRefusal } from './seals.ts';
export { checkExtension, sealDue, sealEnd, sealMonthOverdue, sealOverdue } from './seals.ts';
export type { Selector } from './selectors.ts';
export { readSelector, selectorProofs, selectorsRoot } from './selectors.ts';
