import { hex, utf8 } from '@amanat/core/bytes';
import type { Json } from '@amanat/core/canonical';
import { canonicalText } from '@amanat/core/canonical';
import { CoreError } from '@amanat/core/errors';
import type { Ask, Register, Request, Signed } from '@amanat/core/grants';
import {
  chargedDay,
  checkExtension,
  decide,
  documentHash,
  readDocument,
  selectorProofs,
  selectorsRoot,
} from '@amanat/core/grants';
import type { SealingKey } from '@amanat/core/keys';
import { SEAL_NONCE_BYTES, seal } from '@amanat/core/keys';
import type { StatementKind } from '@amanat/core/statement';
import { readViewAsk, VIEW_ANSWER } from '@amanat/core/view';
import type { Budgets } from './budgets.ts';
import { agencyName, officerName, refusalsName, rowName } from './budgets.ts';
import type { Codes } from './codes.ts';
import { evidenceKey } from './evidence.ts';
import { sha256 } from './hash.ts';
import type { KeyRing } from './key-ring.ts';
import { keyedId } from './key-ring.ts';
import type { Draft, LookUps } from './look-ups.ts';
import { EMPTY_DRAFT } from './look-ups.ts';
import { readAsked } from './messages.ts';
import type { People } from './people.ts';
import type { PersonalDocument, PersonalDocuments } from './personal-documents.ts';
import type { AskDecision, Asked, AskRejection, Identifier, LookUp, Resolved } from './protocol.ts';
import type { Seals } from './seals.ts';
import { Signers } from './signers.ts';
import type { Spent } from './spent.ts';
import type { Subjects } from './subjects.ts';
import { isNormalised } from './subjects.ts';
import { AHEAD_MS_MAX, timeProblem, VALID_APPROVED_MS, VALID_MS } from './validity.ts';
import type { OpenedView, ViewSessions } from './view-sessions.ts';
import { openView } from './view-sessions.ts';

/** Asks an hour that are not allowed and yet enter the subject's chain; later ones are only counted. */
const REFUSALS_ENTERED_MAX = 10;
/** Look-ups without an entry that may be pending at once: what a hacked gateway could learn unlogged, and only for a while. */
const PENDING_MAX = 8192;

export interface AskingDeps {
  readonly ring: KeyRing;
  readonly register: Register;
  readonly people: People;
  readonly subjects: Subjects;
  readonly codes: Codes;
  readonly personal: PersonalDocuments;
  readonly budgets: Budgets;
  readonly spent: Spent;
  readonly lookUps: LookUps;
  readonly seals: Seals;
  readonly views: ViewSessions;
  readonly sealing: SealingKey;
}

/** Decides what is asked about people, and opens a look-up for each subject. */
export class Asking {
  readonly #deps: AskingDeps;
  readonly #openedViews = new WeakMap<Asked, OpenedView>();
  readonly #signers: Signers;
  #nextAsk = 1;

  constructor(deps: AskingDeps) {
    this.#deps = deps;
    this.#signers = new Signers(deps.register, deps.spent);
  }

  /** Reads asks, and does what takes time, before the transaction in which {@link resolve} stands. */
  async open(values: readonly Json[]): Promise<readonly (Asked | null)[]> {
    const asks = values.map(readOrNull);
    await Promise.all(
      asks.map(async (asked) => {
        if (asked?.kind === 'view') {
          this.#openedViews.set(asked, await openView(this.#deps.sealing, asked));
        } else if (asked?.kind === 'request' || asked?.kind === 'seal-extension') {
          await this.#signers.checkAside(asked.signed);
          if (asked.approval !== null) await this.#signers.checkAside(asked.approval);
        }
      }),
    );
    return asks;
  }

  /** Resolves asks in their order, in the caller's transaction, as of `now`. */
  resolve(asks: readonly (Asked | null)[], now: number): readonly Resolved[] {
    const answers = asks.map((asked) => {
      if (asked === null) return rejected('malformed');
      if (this.#deps.lookUps.size >= PENDING_MAX) return rejected('too-many-open');
      try {
        return this.#resolveOne(asked, now);
      } catch (error) {
        if (error instanceof CoreError) return rejected('malformed');
        throw error;
      }
    });
    this.#deps.lookUps.persistNextId();
    this.#deps.budgets.persist();
    return answers;
  }

  #resolveOne(asked: Asked, now: number): Resolved {
    switch (asked.kind) {
      case 'request':
        return this.#resolveRequest(asked, now);
      case 'seal-extension':
        return this.#resolveExtension(asked, now);
      case 'code':
        return this.#resolveCode(asked.signed, now);
      case 'protection':
        return this.#resolveProtection(asked.signed, now);
      case 'erasure':
        return this.#resolveErasure(asked.signed, now);
      case 'view':
        return this.#resolveView(asked, now);
    }
  }

  #resolveRequest(asked: Extract<Asked, { kind: 'request' }>, now: number): Resolved {
    const { signed, selectors, approval } = asked;
    const { register, subjects, budgets, spent, seals } = this.#deps;
    const request = readDocument(signed.document, 'request');
    const officer = this.#signers.signer(signed, 'officer', now);
    if (typeof officer === 'string') return rejected(officer);
    const late = timeProblem(request.time, now, approval === null ? VALID_MS : VALID_APPROVED_MS);
    if (late !== null) return rejected(late);
    if (
      request.selectors.count !== selectors.length ||
      request.selectors.root !== selectorsRoot(selectors)
    ) {
      return rejected('selectors-differ');
    }
    if (!selectors.every(isNormalised) || !areDistinct(selectors)) return rejected('malformed');
    if (approval !== null) {
      const refused = this.#signers.checkApproval(approval, signed, officer, now);
      if (refused !== null) return rejected(refused);
    }
    const replay = spent.spendSequence(officer, request, hex(documentHash(signed.document)), {
      expires: request.time + VALID_APPROVED_MS + AHEAD_MS_MAX,
      isApproved: approval !== null,
    });
    if (replay !== null) return rejected(replay);

    const declarations = register.declarations(now);
    const byController = groupByController(
      request.holdings,
      (holding) => declarations.get(holding)?.controller.id,
    );
    if (this.#deps.lookUps.size + selectors.length * byController.size > PENDING_MAX) {
      return rejected('too-many-open');
    }
    const asksAbout = selectors.flatMap((selector, index) =>
      [...byController].map(([controller, reads]) => {
        const subject = subjects.resolve(controller, selector);
        return { controller, reads, subject, selector, index };
      }),
    );
    const table = register.grants(now);
    const { person, agency, subjectsPerDay } = officer.certificate;
    const name = `${agency}/${person}`;
    const day = chargedDay(now, table);
    const ask: Ask = {
      agency,
      purpose: request.purpose,
      legalBasis: request.legalBasis,
      holdings: request.holdings,
      subjects: selectors.length,
      time: now,
      protected: false,
      seal: request.seal && { ...request.seal, rules: register.sealRules(now) },
      seals: { open: seals.countOf(agency), overdue: seals.isOverdue(agency, now) },
      approved: approval !== null,
      usedToday: {
        officer: budgets.used(day, officerName(name)),
        agency: budgets.used(day, agencyName(agency)),
        row: (id) => budgets.used(day, rowName(name, id)),
      },
      limits: {
        officer: subjectsPerDay,
        agency: register.agency(agency, now)?.subjectsPerDay ?? 0,
      },
    };
    // What is decided whoever is asked about: without an entry an answer must say nothing of any person.
    const blind = decide(table, declarations, ask);
    const isProtected =
      selectors.some((selector) => this.#deps.people.isProtected(selector)) ||
      asksAbout.some(({ subject }) => subjects.isProtected(subject));
    const decision = isProtected ? decide(table, declarations, { ...ask, protected: true }) : blind;
    if (decision.outcome === 'second-person') spent.expectApproval(officer, request);
    if (blind.outcome === 'allowed') {
      // Charged here and not at the entry: from here on the gateway knows whom the request means.
      budgets.charge(day, officerName(name), selectors.length);
      budgets.charge(day, agencyName(agency), selectors.length);
      for (const row of blind.rules) budgets.charge(day, rowName(name, row), selectors.length);
    } else if (request.seal !== null) {
      // On her chain it would tip her off, and among what is sealed one person alone would have sealed it (I8).
      seals.count(agency, blind.outcome === 'refused' ? 'refused' : 'awaited', now);
      return this.#resolved(blind, []);
    } else if (this.#onlyCounted(name, now)) {
      return this.#resolved(blind, []);
    }
    const proofs = selectorProofs(selectors);
    // Named by her number and by every other that is bound to her, a person still has one entry.
    const bySubject = new Map<string, LookUp>();
    const opened = asksAbout.map(({ controller, reads, subject, selector, index }) => {
      const whom = `${controller} ${subject.toString('latin1')}`;
      const before = bySubject.get(whom);
      if (before !== undefined) return before;
      const evidence = {
        approval,
        proof: proofs[index] as readonly string[],
        request: signed,
        selector,
      };
      const lookUp = this.#openLookUp(subject, evidence, {
        kind: DRAFT_KINDS[decision.outcome],
        controller,
        agency,
        officer: hex(keyedId(this.#deps.ring.secret('handle'), name, subject)),
        approved: approval === null ? null : 'approved',
        purpose: request.purpose,
        legalBasis: request.legalBasis,
        refusal: decision.outcome === 'refused' ? decision.code : null,
        reads,
        seal: request.seal,
        seals: [],
        opened: now,
        signed: null,
      });
      bySubject.set(whom, lookUp);
      return lookUp;
    });
    return this.#resolved(decision, opened);
  }

  #resolveExtension(
    { signed, approval }: Extract<Asked, { kind: 'seal-extension' }>,
    now: number,
  ): Resolved {
    const { register, seals, spent } = this.#deps;
    const extension = readDocument(signed.document, 'seal-extension');
    const officer = this.#signers.signer(signed, 'officer', now);
    if (typeof officer === 'string') return rejected(officer);
    const validMs = approval === null ? VALID_MS : VALID_APPROVED_MS;
    const late = timeProblem(extension.time, now, validMs);
    if (late !== null) return rejected(late);
    if (approval !== null) {
      const refused = this.#signers.checkApproval(approval, signed, officer, now);
      if (refused !== null) return rejected(refused);
    }
    const { person, agency } = officer.certificate;
    const made = seals.find(extension.seal);
    // Another agency's is nobody's business, nor whether there is one.
    if (made === null || made.agency !== agency) return rejected('unknown-seal');
    const hash = hex(documentHash(signed.document));
    const expires = extension.time + VALID_APPROVED_MS + AHEAD_MS_MAX;
    // It comes twice where a second person is asked for.
    if (approval !== null && !spent.spendHash(hash, expires)) return rejected('replayed');
    const { ground, until } = extension;
    const rules = register.sealRules(now);
    const refused = seals.isOverdue(agency, now)
      ? 'seal-overdue'
      : checkExtension(
          { ...made, extensions: seals.extensionsOf(made) },
          { ground, until, rules },
          now,
        );
    if (refused !== null) {
      seals.count(agency, 'refused', now);
      return this.#resolved({ outcome: 'refused', code: refused, rule: null, holding: null }, []);
    }
    if (approval === null) {
      seals.count(agency, 'awaited', now);
      return this.#resolved({ outcome: 'second-person', rules: [], reasons: ['sealed'] }, []);
    }
    const { subject, controller, places } = made;
    const lookUp = this.#openLookUp(
      subject,
      { approval, extension: signed },
      {
        ...EMPTY_DRAFT,
        kind: 'seal-extended',
        controller,
        agency,
        officer: hex(keyedId(this.#deps.ring.secret('handle'), `${agency}/${person}`, subject)),
        approved: 'approved',
        seal: { ground, until },
        seals: places.slice(0, 1),
        opened: now,
      },
    );
    return this.#resolved({ outcome: 'allowed', rules: [] }, [lookUp]);
  }

  #resolveCode(signed: Signed, now: number): Resolved {
    const code = readDocument(signed.document, 'code');
    const { register } = this.#deps;
    const registrar = register.registrar;
    if (registrar === null) return rejected('unknown-key');
    if (!register.signedBy(signed, registrar)) return rejected('bad-signature');
    return this.#resolveForAllControllers(signed, code, 'code', { now, validMs: VALID_MS });
  }

  #resolveProtection(signed: Signed, now: number): Resolved {
    const protection = readDocument(signed.document, 'protection');
    if (!this.#deps.register.signedByAdministrators(signed)) return rejected('bad-signature');
    const kind = protection.protected ? 'protected' : 'unprotected';
    // Two people sign it, one after the other.
    const valid = { now, validMs: VALID_APPROVED_MS };
    return this.#resolveForAllControllers(signed, protection, kind, valid);
  }

  /** At one controller: whether to forget her is each controller's own to answer for. */
  #resolveErasure(signed: Signed, now: number): Resolved {
    const { controller, identifier, time } = readDocument(signed.document, 'erasure');
    const { register, subjects, spent } = this.#deps;
    if (!register.signedByAdministrators(signed)) return rejected('bad-signature');
    const late = timeProblem(time, now, VALID_APPROVED_MS);
    if (late !== null) return rejected(late);
    if (!isNormalised(identifier)) return rejected('malformed');
    if (!register.controllers(now).includes(controller)) return rejected('unknown-controller');
    if (!spent.spendHash(hex(documentHash(signed.document)), time + VALID_APPROVED_MS)) {
      return rejected('replayed');
    }
    const draft = {
      ...EMPTY_DRAFT,
      kind: 'erased',
      controller,
      opened: now,
      signed: time,
    } as const;
    const subject = subjects.resolve(controller, identifier);
    const lookUp = this.#openLookUp(subject, { document: signed }, draft);
    return this.#resolved({ outcome: 'allowed', rules: [] }, [lookUp]);
  }

  /** What concerns a person whoever keeps her records: one look-up in each controller's name. */
  #resolveForAllControllers(
    signed: Signed,
    document: PersonalDocument,
    kind: StatementKind,
    { now, validMs }: { readonly now: number; readonly validMs: number },
  ): Resolved {
    const { register, subjects, personal } = this.#deps;
    const late = timeProblem(document.time, now, validMs);
    if (late !== null) return rejected(late);
    if (!isNormalised(document.identifier)) return rejected('malformed');
    if (personal.isOvertaken(document)) return rejected('stale');
    const controllers = register.controllers(now);
    if (controllers.length === 0) return rejected('nothing-declared');
    if (!this.#deps.spent.spendHash(hex(documentHash(signed.document)), document.time + validMs)) {
      return rejected('replayed');
    }
    const draft = { ...EMPTY_DRAFT, kind, opened: now, signed: document.time };
    const opened = controllers.map((controller) => {
      const subject = subjects.resolve(controller, document.identifier);
      return this.#openLookUp(subject, { document: signed }, { ...draft, controller });
    });
    return this.#resolved({ outcome: 'allowed', rules: [] }, opened);
  }

  #resolveView(asked: Extract<Asked, { kind: 'view' }>, now: number): Resolved {
    const opened = this.#openedViews.get(asked);
    if (opened === undefined) return rejected('malformed');
    if ('rejected' in opened) return rejected(opened.rejected);
    const ask = readViewAsk(opened.code);
    const late = timeProblem(ask.time, now, VALID_MS);
    if (late !== null) return rejected(late);
    if (this.#deps.views.isFull(now)) return rejected('too-many-open');
    const { codes, register } = this.#deps;
    const found = codes.open(sha256(utf8(ask.code)), register.controllers(now));
    if (found.length === 0) return rejected('unknown-code');
    if (!this.#deps.spent.spendHash(opened.session, ask.time + VALID_MS))
      return rejected('replayed');
    const lookUps = found.map(({ controller, subject }) =>
      this.#openLookUp(subject, null, { ...EMPTY_DRAFT, kind: 'sign-in', controller, opened: now }),
    );
    const session = {
      session: opened.session,
      answerKey: opened.exporter(VIEW_ANSWER),
      subjects: found.map((each, index) => ({ ...each, id: (lookUps[index] as LookUp).id })),
    };
    this.#deps.views.begin(this.#nextAsk, session, now);
    return this.#resolved({ outcome: 'allowed', rules: [] }, lookUps);
  }

  /** Past so many an hour what a person was not allowed would flood other people's chains. */
  #onlyCounted(name: string, now: number): boolean {
    const hour = new Date(now).toISOString().slice(0, 13);
    this.#deps.budgets.charge(hour, refusalsName(name), 1);
    return this.#deps.budgets.used(hour, refusalsName(name)) > REFUSALS_ENTERED_MAX;
  }

  #openLookUp(
    subject: Buffer,
    evidence: Json | object | null,
    draft: Omit<Draft, 'evidence'>,
  ): LookUp {
    const { ring, subjects, lookUps } = this.#deps;
    const chainKey = draft.seal === null ? subjects.viewKey(subject) : subjects.sealKey(subject);
    let sealed: Buffer | null = null;
    let evidenceHash: string | null = null;
    if (evidence !== null) {
      const bytes = utf8(canonicalText(evidence as Json));
      const hash = sha256(bytes);
      evidenceHash = hex(hash);
      sealed = seal(evidenceKey(chainKey, hash), bytes, hash, ring.random(SEAL_NONCE_BYTES));
    }
    const { id } = lookUps.open(subject, { ...draft, evidence: evidenceHash }, sealed, chainKey);
    const erased = subjects.isErased(subject);
    return {
      id,
      subject: hex(subject),
      controller: draft.controller,
      erased,
      reads: draft.kind === 'disclosure' && !erased ? draft.reads : [],
    };
  }

  #resolved(decision: AskDecision, lookUps: readonly LookUp[]): Resolved {
    return { outcome: 'resolved', ask: this.#nextAsk++, decision, lookUps };
  }
}

const DRAFT_KINDS = {
  allowed: 'disclosure',
  refused: 'refusal',
  'second-person': 'second-person',
} as const;

function readOrNull(value: Json): Asked | null {
  try {
    return readAsked(value);
  } catch (error) {
    if (error instanceof CoreError) return null;
    throw error;
  }
}

/** One person named a thousand times would have a thousand entries of one request. */
function areDistinct(selectors: readonly Identifier[]): boolean {
  return new Set(selectors.map(({ type, value }) => `${type} ${value}`)).size === selectors.length;
}

function rejected(code: AskRejection): Resolved {
  return { outcome: 'rejected', code };
}

function groupByController(
  holdings: Request['holdings'],
  controllerOf: (holding: string) => string | undefined,
): ReadonlyMap<string, Request['holdings']> {
  const groups = new Map<string, Request['holdings'][number][]>();
  for (const read of holdings) {
    const controller = controllerOf(read.holding);
    if (controller === undefined) continue;
    groups.set(controller, [...(groups.get(controller) ?? []), read]);
  }
  return groups;
}
