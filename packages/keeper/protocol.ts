import type { Decision, KeyRefusal, Selector, Signed } from '@amanat/core/grants';
import type { RecordRead, StatementKind } from '@amanat/core/statement';

/**
 * What gateway and keeper say to one another, over a Unix socket. A frame is
 * uint32 length of the rest ‖ uint32 length of the JSON ‖ JSON (UTF-8) ‖ attachment.
 * Questions carry an id and are answered in order. Keys and nonces travel in the attachment.
 */
export const FRAME_BYTES_MAX = 32 * 1024 * 1024;
/** Most rows, asks, look-ups or leaves in one message. */
export const BATCH_MAX = 4096;

export interface Identifier {
  readonly type: 'cnic' | 'msisdn';
  /** Normalised: 13 digits, or E.164 with its plus. */
  readonly value: string;
}

/** One row of an import, for which keys are drawn. */
export interface DrawRow {
  /** Number of the row in the import, from 1. */
  readonly row: number;
  readonly primary: Identifier;
  readonly secondary: readonly Identifier[];
  /** SHA-256 over the record-key fields: tells this subject's records apart. */
  readonly recordKey: Uint8Array;
  /** SHA-256 over the whole row: comes back keyed, to tell whether a row changed. */
  readonly digest: Uint8Array;
  /** The date that retention counts from, `YYYY-MM-DD`; null for the import's own. */
  readonly eventDate: string | null;
}

export type DrawRefusal =
  | 'bound-to-another'
  | 'retention-over'
  | 'expired'
  | 'erased'
  | 'bad-identifier'
  | 'date-ahead';

/** A drawn row. */
export interface DrawnRow {
  readonly row: number;
  /** Whether her subject is mentioned for the first time: no store can hold anything of her yet. */
  readonly isFirst: boolean;
  /** 16 bytes, as the record's id. */
  readonly subject: Buffer;
  readonly record: Buffer;
  /** Keyed, 32 bytes. */
  readonly digest: Buffer;
  readonly expiryMonth: string;
  /** 16 bytes, drawn for this version: its groups' keys differ by their names. */
  readonly nonce: Buffer;
  /** 32 bytes for each group, in the declaration's order. */
  readonly keys: Buffer;
}

export interface RefusedRow {
  readonly row: number;
  readonly refused: DrawRefusal;
}

/** Something asked about a person, signed by whoever may ask it. */
export type Asked =
  | {
      readonly kind: 'request';
      readonly signed: Signed;
      readonly selectors: readonly Selector[];
      readonly approval: Signed | null;
    }
  | { readonly kind: 'seal-extension'; readonly signed: Signed; readonly approval: Signed | null }
  | { readonly kind: 'code'; readonly signed: Signed }
  | { readonly kind: 'protection'; readonly signed: Signed }
  | { readonly kind: 'erasure'; readonly signed: Signed }
  | { readonly kind: 'view'; readonly enc: string; readonly ciphertext: string };

/** Why an ask gets no entry: whoever sent it has not shown any authority, or has been answered already. */
export type AskRejection =
  | KeyRefusal
  | 'malformed'
  | 'bad-signature'
  | 'wrong-role'
  | 'suspended-key'
  | 'stale'
  | 'clock-ahead'
  | 'replayed'
  | 'sequence-reused'
  | 'selectors-differ'
  | 'bad-approval'
  | 'approver-same-person'
  | 'approver-same-line'
  | 'approver-unknown'
  | 'unknown-code'
  | 'unknown-seal'
  | 'nothing-declared'
  | 'unknown-controller'
  | 'too-many-open';

/** What was decided of an ask. */
export type AskDecision = Decision;

/** One subject's part of an ask. It is open until an entry for it is in the log. */
export interface LookUp {
  readonly id: number;
  readonly subject: string;
  readonly controller: string;
  /** Whether the key of her records there is destroyed: what a store may still have of her opens with nothing. */
  readonly erased: boolean;
  /** What may be named for it: empty where nothing is to be released. */
  readonly reads: readonly { readonly holding: string; readonly groups: readonly string[] }[];
}

export type Resolved =
  | { readonly outcome: 'rejected'; readonly code: AskRejection }
  | {
      readonly outcome: 'resolved';
      readonly ask: number;
      readonly decision: AskDecision;
      /**
       * In order of the selectors, then of controllers; one that several selectors mean stands there for each. Empty
       * where a refusal was only counted.
       */
      readonly lookUps: readonly LookUp[];
    };

/** The records that the gateway found for a look-up, or that it gives it up. */
export interface PrepareItem {
  readonly id: number;
  readonly records: readonly RecordRead[];
  readonly abandoned: boolean;
}

export type PrepareRefusal =
  | 'unknown-look-up'
  | 'not-asked-for'
  | 'too-late'
  | 'shredded'
  | 'malformed'
  | 'too-many-records';

export type Prepared =
  | { readonly id: number; readonly refused: PrepareRefusal }
  | {
      readonly id: number;
      readonly kind: StatementKind;
      readonly subject: string;
      readonly number: number;
      /** Lengths of the personal leaf, the sealed body, and the sealed evidence where there is any: see prepared.ts. */
      readonly bytes: readonly [leaf: number, body: number, evidence: number | null];
    };

/** Keys released for one look-up; in the attachment, 32 bytes each, in the statement's order of records and groups. */
export interface Released {
  readonly id: number;
  readonly keys: number;
}

/** How far a cosignature's time may be from the keeper's clock, in milliseconds. */
export const COSIGNED_MS_MAX = 60_000;

export interface KeeperStatus {
  readonly origin: string;
  readonly size: number;
  readonly root: string;
  /** The keeper's time, milliseconds since 1970. */
  readonly time: number;
  readonly generation: number;
  /** False until witnesses are appointed. */
  readonly witnessed: boolean;
  /** From when on cosignatures count, milliseconds since 1970: those of before the keeper's start may have been put by. */
  readonly cosignaturesFrom: number;
  /** Look-ups released under a smaller quorum, which the full one has not covered yet. */
  readonly releasedUncovered: number;
  /** Look-ups so released and covered since, which no `broken-glass-counted` of the log counts yet. */
  readonly releasedUncounted: number;
  /** Months that are due to expire, for the gateway to enter: some of them, where there are many. */
  readonly due: readonly { readonly holding: string; readonly month: string }[];
  /** That an order of two administrators is carried out, as a public entry; null where the log says so of all that are. */
  readonly carriedOut: Signed | null;
  /** Look-ups that are open, for the gateway to give up after a restart. */
  readonly open: readonly { readonly id: number; readonly subject: string }[];
}

/** A certificate of shredding. */
export interface Certified {
  readonly certificate: string;
  readonly signature: string;
}

/** Every question that the keeper answers, with its answer. Anything else is refused. */
export interface Messages {
  draw: {
    /** So many rows, in the attachment (draw-rows.ts), as what was drawn for those that are not refused. */
    ask: { readonly import: number; readonly rows: number };
    answer: { readonly refused: readonly RefusedRow[] };
  };
  resolve: {
    ask: { readonly asks: readonly Asked[] };
    answer: { readonly asks: readonly Resolved[] };
  };
  prepare: {
    ask: { readonly lookUps: readonly PrepareItem[] };
    answer: { readonly lookUps: readonly Prepared[] };
  };
  commit: {
    /**
     * The leaves from the keeper's size to the checkpoint's, in the attachment as an entry bundle. Without a checkpoint
     * they are the first part of more that is still to come, and nothing comes of them yet.
     */
    ask: {
      readonly checkpoint: string | null;
      readonly leaves: number;
      readonly wanted: readonly number[];
    };
    answer: { readonly size: number; readonly released: readonly Released[] };
  };
  view: {
    ask: { readonly ask: number };
    /** Base64, under the key exported from the browser's own sealing. */
    answer: { readonly sealed: string };
  };
  /** Asked now and then: the keeper opens by itself what was sealed and is due. */
  seals: {
    ask: Record<never, never>;
    answer: {
      /** Openings that wait for their entries, among the look-ups that `status` calls open. */
      readonly due: number;
      /** What the public is to be told of seals, as a public entry; null where the log has it all. */
      readonly counted: Signed | null;
    };
  };
  shred: {
    /** The index of an entry: the first shredding at it or after it is meant. */
    ask: { readonly from: number };
    /** Its certificate's text (core/shred-certificate.ts), and the keeper's signature (signingInput), base64; null: none. */
    answer: { readonly shred: Certified | null };
  };
  status: { ask: Record<never, never>; answer: KeeperStatus };
}

export type MessageName = keyof Messages;

/** Why the keeper refuses a whole message. */
export type KeeperRefusal =
  | 'malformed'
  | 'unknown-message'
  | 'too-large'
  | 'unknown-import'
  | 'row-limit'
  | 'not-an-extension'
  | 'bad-checkpoint'
  | 'not-genesis'
  | 'not-witnessed'
  | 'not-entered'
  | 'clock-behind'
  | 'not-scrubbed'
  | 'backups-unreadable'
  | 'locked'
  | 'store-unavailable';
