import { fromHex } from '@amanat/core/bytes';
import type { DocumentOf, Register, Signed } from '@amanat/core/grants';
import { readDocument } from '@amanat/core/grants';
import type { StatementKind } from '@amanat/core/statement';
import type { Codes } from './codes.ts';
import { openEvidence } from './evidence.ts';
import type { LookUps, PendingLookUp } from './look-ups.ts';
import { OPEN_MS } from './look-ups.ts';
import type { People } from './people.ts';
import type { Identifier } from './protocol.ts';
import type { Subjects } from './subjects.ts';

/**
 * A document about a person whoever keeps her records. Narrower than core's
 * `personalDocuments`: a request, an approval, an erasure and a seal's extension are none.
 */
export type PersonalDocument = DocumentOf<'code'> | DocumentOf<'protection'>;

export interface PersonalDocumentsDeps {
  readonly register: Register;
  readonly subjects: Subjects;
  readonly people: People;
  readonly codes: Codes;
  readonly lookUps: LookUps;
}

/**
 * Codes and protections: documents about a person, with an entry at each controller. One takes effect everywhere with
 * the first of its entries, so that a gateway which holds the others back holds nothing back.
 */
export class PersonalDocuments {
  readonly #deps: PersonalDocumentsDeps;

  constructor(deps: PersonalDocumentsDeps) {
    this.#deps = deps;
  }

  /** Whether something about the same person that was signed later has taken effect: a document must not undo it. */
  isOvertaken({ type, identifier, time }: PersonalDocument): boolean {
    return time < this.#deps.people.lastSigned(identifier, type);
  }

  /** The entry of a code or a protection is in the log; any other look-up is left alone. */
  takeEffect(lookUp: PendingLookUp, kind: StatementKind, now: number): void {
    if (kind === 'code') this.#giveCode(lookUp, now);
    else if (kind === 'protected' || kind === 'unprotected') this.#protect(lookUp, now);
  }

  #giveCode(lookUp: PendingLookUp, now: number): void {
    const { subjects, people, codes, lookUps } = this.#deps;
    const { identifier, codeHash, time } = readDocument(this.#documentOf(lookUp), 'code');
    lookUps.supersede(lookUp, this.#meant(identifier, now), ['code']);
    for (const { subject, draft } of lookUps.ofOneDocument(lookUp)) {
      codes.give(subject, draft.controller, fromHex(codeHash));
      subjects.endAlias(subject);
    }
    people.setCode(identifier, fromHex(codeHash), time);
  }

  #protect(lookUp: PendingLookUp, now: number): void {
    const { subjects, people, lookUps } = this.#deps;
    const document = readDocument(this.#documentOf(lookUp), 'protection');
    const { identifier, time, protected: value } = document;
    // Held back for so long, the end of a protection is nobody's wish any more. Its beginning may come late.
    if (!value && now > lookUp.draft.opened + OPEN_MS) return;
    const meant = this.#meant(identifier, now);
    lookUps.supersede(lookUp, meant, ['protected', 'unprotected']);
    for (const subject of meant) {
      if (value) subjects.protect(subject, identifier);
      else subjects.unprotect(subject, identifier);
    }
    people.setProtected(identifier, value, time);
  }

  /** Whom an identifier means at every controller: a number may have been bound since it was asked about. */
  #meant(identifier: Identifier, now: number): readonly Buffer[] {
    const { register, subjects } = this.#deps;
    return register
      .controllers(now)
      .flatMap((controller) => [
        subjects.ofPrimary(controller, identifier),
        subjects.resolve(controller, identifier),
      ]);
  }

  #documentOf({ subject, draft, evidence }: PendingLookUp): string {
    if (draft.evidence === null || evidence === null) {
      throw new Error('keeper database holds a look-up without its document');
    }
    const viewKey = this.#deps.subjects.viewKey(subject);
    const { document } = openEvidence(viewKey, draft.evidence, evidence);
    return (document as unknown as Signed).document;
  }
}
