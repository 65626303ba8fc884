import { base64, fromBase64, hex } from '@amanat/core/bytes';
import { CoreError } from '@amanat/core/errors';
import type { CertifiedKey, Register, Signed } from '@amanat/core/grants';
import { documentHash, readDocument, signingInput } from '@amanat/core/grants';
import type { SigningKey } from '@amanat/core/keys';
import { sign, verify, verifyAside } from '@amanat/core/keys';
import type { AskRejection } from './protocol.ts';
import type { Spent } from './spent.ts';
import { timeProblem, VALID_APPROVED_MS } from './validity.ts';

/** A document in the keeper's own words, with its signature. */
export function signByKeeper(key: SigningKey, document: string): Signed {
  const signature = base64(sign(key, signingInput(document)));
  return { document, signatures: [{ key: key.public.id, signature }] };
}

/** Who has signed a request, and who has approved it (I3, I8). */
export class Signers {
  readonly #register: Register;
  readonly #spent: Spent;
  readonly #valid = new WeakSet<Signed>();

  constructor(register: Register, spent: Spent) {
    this.#register = register;
    this.#spent = spent;
  }

  /** Notes a document that the key it names did sign; whether the key may, {@link signer} decides. */
  async checkAside(signed: Signed): Promise<void> {
    const [signature] = signed.signatures;
    const key = signature === undefined ? null : this.#register.publicKey(signature.key);
    if (signature === undefined || key === null) return;
    try {
      const bytes = fromBase64(signature.signature);
      const isValid = await verifyAside(key, signingInput(signed.document), bytes);
      if (isValid) this.#valid.add(signed);
    } catch (error) {
      // No base64, or no text: no signature.
      if (!(error instanceof CoreError)) throw error;
    }
  }

  /** The one signer's certified key, if it may act in this role now. */
  signer(signed: Signed, role: 'officer' | 'approver', now: number): CertifiedKey | AskRejection {
    const [signature] = signed.signatures;
    if (signature === undefined || signed.signatures.length !== 1) return 'malformed';
    const certified = this.#register.key(signature.key, now);
    if (typeof certified === 'string') return certified;
    // Checked aside, unless the key has come into force since.
    const input = signingInput(signed.document);
    if (
      !this.#valid.has(signed) &&
      !verify(certified.key, input, fromBase64(signature.signature))
    ) {
      return 'bad-signature';
    }
    if (this.#spent.isSuspended(certified)) return 'suspended-key';
    return certified.certificate.role === role ? certified : 'wrong-role';
  }

  /** I8: the second person is another person, of the same agency, in another line of command. */
  checkApproval(
    signed: Signed,
    request: Signed,
    officer: CertifiedKey,
    now: number,
  ): AskRejection | null {
    const approval = readDocument(signed.document, 'approval');
    const approver = this.signer(signed, 'approver', now);
    if (typeof approver === 'string') {
      return approver === 'bad-signature' ? 'bad-approval' : 'approver-unknown';
    }
    if (approval.request !== hex(documentHash(request.document))) return 'bad-approval';
    if (timeProblem(approval.time, now, VALID_APPROVED_MS) !== null) return 'bad-approval';
    if (approver.certificate.agency !== officer.certificate.agency) return 'approver-unknown';
    if (approver.certificate.person === officer.certificate.person) return 'approver-same-person';
    return approver.certificate.line === officer.certificate.line ? 'approver-same-line' : null;
  }
}
