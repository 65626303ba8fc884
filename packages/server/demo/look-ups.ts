import { randomBytes } from 'node:crypto';
import { hex } from '@amanat/core/bytes';
import type { Identifier } from '@amanat/core/grants';
import { writeDocument } from '@amanat/core/grants';
import type { Api } from '../cli/client.ts';
import { CliError } from '../cli/errors.ts';
import { signDocument } from '../cli/keys.ts';
import type { Progress } from '../cli/progress.ts';
import type { RequestAnswer, RequestTerms } from '../cli/requests.ts';
import { signApproval, signRequest } from '../cli/requests.ts';
import type { PlannedLookUp } from './generate/disclosure-plan.ts';
import type { People } from './generate/people.ts';
import { PROTAGONIST_INDEX } from './generate/people.ts';
import { agencyAt, INVESTIGATION, POLICE, purposeOf } from './scenario.ts';
import type { DemoOfficer, DemoSigners } from './set-up.ts';

/** Requests under way at a time: each officer's device is another client. */
const AT_ONCE = 16;
/** People that the bulk request names, from the fourth on; more than the table lets one person ask for. */
const BULK_FROM = 3;
const BULK_COUNT = 12;
/** Who is put under protection. */
const PROTECTED_INDEX = 2;
/** How long the sealed look-up is withheld: less than the demonstration's past. */
const SEALED_MS = 14 * 86_400_000;

/** Fewest people that the demonstration can be given with. */
export const PEOPLE_MIN = BULK_FROM + BULK_COUNT;

/** What the officers' requests came to. */
export interface LookUpCounts {
  requests: number;
  disclosures: number;
  misses: number;
  secondPersonAsked: number;
  approved: number;
  /** By the refusal's code. */
  readonly refusals: Record<string, number>;
}

interface LookUpTerms {
  readonly api: Api;
  readonly signers: DemoSigners;
  readonly people: People;
  readonly now: () => number;
}

/** Makes a plan's look-ups, signed by their officers, some at a time, and counts what became of them. */
export async function makeLookUps(
  terms: LookUpTerms,
  plan: readonly PlannedLookUp[],
  counts: LookUpCounts,
  { progress, signal }: { readonly progress: Progress; readonly signal: AbortSignal },
): Promise<void> {
  const queue = plan.entries();
  const before = counts.requests;
  const askInTurn = async () => {
    for (const [at, lookUp] of queue) {
      signal.throwIfAborted();
      const officer = officerOf(terms.signers, lookUp.agencyIndex, lookUp.officerIndex);
      await ask(terms, officer, requestOf(lookUp, at), counts);
      progress.at(counts.requests - before, plan.length);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, askInTurn));
  progress.end(counts.requests - before);
}

/**
 * What takes two: a bulk request, a protected person, and two holdings read together, each refused to one person and
 * then made with another's signature; and one that nobody approves.
 */
export async function makeTwoPersonLookUps(
  terms: LookUpTerms,
  counts: LookUpCounts,
): Promise<void> {
  const { people, signers } = terms;
  const police = groundOf(POLICE);
  const investigation = groundOf(INVESTIGATION);
  const bulk = people.slice(BULK_FROM, BULK_FROM + BULK_COUNT).map(({ cnic }) => cnicOf(cnic));
  const sims = { holding: 'sim-registrations', groups: ['identity', 'number'] };
  const travel = { holding: 'travel-history', groups: ['crossing'] };
  await protect(terms, cnicOf(people.at(PROTECTED_INDEX).cnic));
  const asks: readonly [agency: number, terms: RequestTerms, approved: boolean][] = [
    [POLICE, { ...police, case: 'FIR-DEMO-9001', identifiers: bulk, holdings: [sims] }, true],
    [
      POLICE,
      {
        ...police,
        case: 'FIR-DEMO-9002',
        identifiers: [cnicOf(people.at(PROTECTED_INDEX).cnic)],
        holdings: [sims],
      },
      true,
    ],
    [
      INVESTIGATION,
      {
        ...investigation,
        case: 'INQ-DEMO-9003',
        identifiers: [cnicOf(people.at(PROTAGONIST_INDEX).cnic)],
        holdings: [sims, travel],
      },
      true,
    ],
    [
      INVESTIGATION,
      { ...investigation, case: 'INQ-DEMO-9004', identifiers: bulk, holdings: [travel] },
      false,
    ],
  ];
  for (const [agency, request, approved] of asks) {
    const approver = approved ? signers.approvers[agency] : undefined;
    await ask(terms, officerOf(signers, agency, 0), request, counts, approver);
  }
}

/** A look-up of the protagonist that is withheld from her for some days, and then opens by itself. */
export async function makeSealedLookUp(terms: LookUpTerms, counts: LookUpCounts): Promise<void> {
  const { people, signers, now } = terms;
  const request = {
    ...groundOf(POLICE),
    case: 'FIR-DEMO-8001',
    identifiers: [cnicOf(people.at(PROTAGONIST_INDEX).cnic)],
    holdings: [{ holding: 'sim-registrations', groups: ['identity', 'number'] }],
    seal: {
      ground: agencyAt(POLICE).purpose,
      until: new Date(now() + SEALED_MS).toISOString().slice(0, 10),
    },
  };
  await ask(terms, officerOf(signers, POLICE, 0), request, counts, signers.approvers[POLICE]);
}

/** No look-ups yet. */
export function noLookUps(): LookUpCounts {
  return {
    requests: 0,
    disclosures: 0,
    misses: 0,
    secondPersonAsked: 0,
    approved: 0,
    refusals: {},
  };
}

async function ask(
  { api, now }: LookUpTerms,
  officer: DemoOfficer,
  request: RequestTerms,
  counts: LookUpCounts,
  approver?: DemoSigners['registrar'],
): Promise<void> {
  officer.sequence += 1;
  const random = randomBytes;
  const signed = signRequest(officer.key, request, {
    sequence: officer.sequence,
    now: now(),
    random,
  });
  counts.requests += 1;
  try {
    const { body } = await api.post<RequestAnswer>('/v1/requests', { ...signed, approval: null });
    if (body.outcome === 'disclosed') return countDisclosed(body, counts);
    counts.secondPersonAsked += 1;
    if (approver === undefined) return;
    const approval = signApproval(approver, signed, { now: now(), random });
    const second = await api.post<RequestAnswer>('/v1/requests', { ...signed, approval });
    if (second.body.outcome !== 'disclosed')
      throw new Error('an approved request was not answered');
    counts.approved += 1;
    countDisclosed(second.body, counts);
  } catch (error) {
    // A refusal by the table is what some of the plan is for; anything else is a failure of the demonstration.
    if (!(error instanceof CliError) || error.code !== 'refused' || error.reason === null)
      throw error;
    counts.refusals[error.reason] = (counts.refusals[error.reason] ?? 0) + 1;
  }
}

function countDisclosed(
  answer: Extract<RequestAnswer, { outcome: 'disclosed' }>,
  counts: LookUpCounts,
): void {
  for (const { records, error } of answer.results) {
    if (error !== undefined) throw new Error('a record was not delivered');
    if (records.length === 0) counts.misses += 1;
    else counts.disclosures += 1;
  }
}

async function protect({ api, signers, now }: LookUpTerms, identifier: Identifier): Promise<void> {
  const document = writeDocument({
    type: 'protection',
    identifier,
    protected: true,
    reason: 'threatened witness (demonstration)',
    nonce: hex(randomBytes(16)),
    time: now(),
  });
  const signatures = signers.administrators.map((key) => signDocument(key, document));
  await api.post('/v1/protections', { document, signatures });
}

function requestOf(
  { agencyIndex, kind, cnic, holding, groups }: PlannedLookUp,
  at: number,
): RequestTerms {
  return {
    ...groundOf(agencyIndex),
    purpose: purposeOf(agencyIndex, kind),
    case: `FIR-DEMO-${String(at + 1).padStart(4, '0')}`,
    identifiers: [cnicOf(cnic)],
    holdings: [{ holding, groups }],
  };
}

function groundOf(agencyIndex: number) {
  const { purpose, legalBasis, authority } = agencyAt(agencyIndex);
  return { purpose, legalBasis, authority };
}

/** Normalised, as a selector has it. */
function cnicOf(written: string): Identifier {
  return { type: 'cnic', value: written.replaceAll('-', '') };
}

function officerOf(signers: DemoSigners, agency: number, officer: number): DemoOfficer {
  const found = signers.officers[agency]?.[officer];
  if (found === undefined) throw new RangeError('no such officer');
  return found;
}
