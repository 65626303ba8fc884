import { hex } from '@amanat/core/bytes';
import type { Identifier, Seal, Selector, Signed } from '@amanat/core/grants';
import { documentHash, selectorsRoot, writeDocument } from '@amanat/core/grants';
import type { SigningKey } from '@amanat/core/keys';
import { signDocument } from './keys.ts';

/** Fresh randomness: a given number of bytes. */
export type Random = (bytes: number) => Uint8Array;

/** An officer's request as it is sent, and as it is handed to an approver. */
export interface SignedRequest extends Signed {
  readonly selectors: readonly Selector[];
}

/** What an officer asks. */
export interface RequestTerms {
  readonly purpose: string;
  readonly legalBasis: string;
  readonly authority: string;
  readonly case: string;
  readonly identifiers: readonly Identifier[];
  readonly holdings: readonly { readonly holding: string; readonly groups: readonly string[] }[];
  /** Until when the people asked about are not shown it; absent: they are at once. */
  readonly seal?: Seal | null;
}

/**
 * Signs a request. Each selector has a salt, so that the signed root confirms no guess.
 * @throws CoreError 'bad-document' where a member is not in its form
 */
export function signRequest(
  key: SigningKey,
  terms: RequestTerms,
  { sequence, now, random }: { sequence: number; now: number; random: Random },
): SignedRequest {
  const selectors = terms.identifiers.map(({ type, value }) => ({
    type,
    value,
    salt: hex(random(16)),
  }));
  const document = writeDocument({
    type: 'request',
    purpose: terms.purpose,
    legalBasis: terms.legalBasis,
    authority: terms.authority,
    case: terms.case,
    selectors: { count: selectors.length, root: selectorsRoot(selectors) },
    holdings: terms.holdings,
    seal: terms.seal ?? null,
    sequence,
    nonce: hex(random(16)),
    time: now,
  });
  return { document, signatures: [signDocument(key, document)], selectors };
}

/** Signs an approval over a request's hash. */
export function signApproval(
  key: SigningKey,
  request: Signed,
  { now, random }: { now: number; random: Random },
): Signed {
  const document = writeDocument({
    type: 'approval',
    request: hex(documentHash(request.document)),
    nonce: hex(random(16)),
    time: now,
  });
  return { document, signatures: [signDocument(key, document)] };
}

/** One record of an answer. */
export interface DisclosedRecord {
  readonly holding: string;
  readonly record: string;
  readonly import: number;
  readonly row: number;
  /** Absent where the record is not what was stored. */
  readonly groups?: readonly {
    readonly group: string;
    readonly fields: readonly {
      readonly name: string;
      readonly recorded: string;
      readonly normalised: string;
    }[];
  }[];
  readonly error?: string;
}

/** What the gateway answers to a request that it does not refuse. */
export type RequestAnswer =
  | {
      readonly outcome: 'disclosed';
      readonly results: readonly {
        readonly selector: number;
        readonly controller: string;
        readonly index: number;
        readonly number: number;
        readonly records: readonly DisclosedRecord[];
        /** Why nothing was delivered, where something should have been. */
        readonly error?: string;
      }[];
      readonly witnessed: boolean;
    }
  | {
      readonly outcome: 'second-person';
      readonly request: string;
      readonly reasons: readonly string[];
      readonly rules: readonly string[];
    };
