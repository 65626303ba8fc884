import type { DeviceCode } from './providers/pkcs11.ts';
import type { RootKind } from './providers/root.ts';

/**
 * What a keeper's own administrators and custodians say to it, over a Unix socket in its folder, in frames as a gateway
 * does (protocol.ts). A share is an attachment, and is answered with nothing that it holds.
 */
export interface CeremonyMessages {
  status: { ask: Record<never, never>; answer: CeremonyStatus };
  /** One share, in the attachment: of the present root while the keeper is locked, of one that is drawn, or of a rehearsal. */
  share: {
    ask: Record<never, never>;
    answer: {
      readonly of: 'present' | 'drawn' | 'rehearsal';
      /** Which have been given so far. Empty once they have done what they are for. */
      readonly given: readonly number[];
      /** Whether they were enough: the keeper opens, or the rehearsal's key is put together; of a drawn root, that all were given. */
      readonly isEnough: boolean;
    };
  };
  /** Draws a root, or for a rehearsal a throw-away one. Its shares are the attachment, one after another, and nowhere else. */
  draw: {
    ask:
      | {
          readonly provider: 'shares';
          readonly threshold: number;
          readonly count: number;
          readonly rehearsal: boolean;
        }
      | { readonly provider: 'passphrase' | 'pkcs11' };
    answer: { readonly root: RootSummary };
  };
  /** Has the drawn root take the present one's place, once its entry is in the log and all its shares were given back. */
  adopt: { ask: { readonly root: string }; answer: { readonly root: RootSummary } };
}

/** A root, by what anybody may know of it. */
export interface RootSummary {
  /** By what administrators name it: 32 bytes in hexadecimal. */
  readonly root: string;
  readonly provider: RootKind;
  readonly shares: {
    readonly ceremony: string;
    readonly threshold: number;
    /** By which each share is checked, in order. */
    readonly commitments: readonly string[];
    readonly given: readonly number[];
  } | null;
  /** In a device: the serial number of the token on which it was drawn, and the key's id there. */
  readonly device: { readonly token: string; readonly key: string } | null;
}

export interface CeremonyStatus {
  /** Locked, a keeper answers nothing else. */
  readonly isLocked: boolean;
  readonly present: RootSummary;
  /** One that is drawn and not adopted. */
  readonly drawn: RootSummary | null;
  readonly rehearsal: RootSummary | null;
  /** Why a locked keeper's device does not open it; it looks again and again. */
  readonly awaited: DeviceCode | null;
  /** The present generation, and whether an older one is still about; null while the keeper is locked. */
  readonly generations: { readonly present: number; readonly isRotating: boolean } | null;
  /** Those of which the log does not say that they are carried out, and the last of each kind; null while it is locked. */
  readonly orders: readonly OrderSummary[] | null;
}

/** What two administrators ordered of the root or the generations. */
export interface OrderSummary {
  readonly type: 'root-rotation' | 'generation-rotation';
  /** Where the order stands in the log. */
  readonly index: number;
  /** Whether what it orders is so in this keeper now. */
  readonly isCarriedOut: boolean;
  /** Where the log says that it, or a later one of its kind, is carried out; null while it does not. */
  readonly entered: number | null;
}

/** Why the keeper refuses a message of a ceremony. */
export type CeremonyRefusal =
  | DeviceCode
  | 'bad-share'
  | 'another-ceremony'
  | 'wrong-share'
  | 'too-many-attempts'
  | 'not-locked'
  | 'not-drawn'
  | 'not-entered'
  | 'shares-missing'
  /** Its file is not there, or empty. */
  | 'no-passphrase'
  /** None in its file is the drawn root's. */
  | 'wrong-passphrase'
  | 'busy';
