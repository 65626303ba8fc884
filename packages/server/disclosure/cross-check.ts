import type { Decision, Register } from '@amanat/core/grants';
import { decide } from '@amanat/core/grants';
import type { AskDecision } from '@amanat/keeper/client';
import type { RequestBody } from './body.ts';

/** Refusals that hang on what only the keeper knows: what was used today, what is sealed, and its clock. */
const KEEPERS_OWN: ReadonlySet<string> = new Set([
  'agency-budget-spent',
  'budget-spent',
  'outside-hours',
  'seal-ceiling',
  'seal-overdue',
]);

/**
 * What the gateway's own register says of a request, as far as it can know: nothing used today, nobody protected.
 * It explains, and allows nothing. Null where the key has no authority here.
 */
export function decideHere(register: Register, time: number, body: RequestBody): Decision | null {
  const { request } = body;
  const certified = register.key(body.signed.signatures[0]?.key ?? '', time);
  if (typeof certified === 'string') return null;
  const { agency, subjectsPerDay } = certified.certificate;
  return decide(register.grants(time), register.declarations(time), {
    agency,
    purpose: request.purpose,
    legalBasis: request.legalBasis,
    holdings: request.holdings,
    subjects: request.selectors.count,
    time,
    protected: false,
    seal: request.seal && { ...request.seal, rules: register.sealRules(time) },
    seals: { open: 0, overdue: false },
    approved: body.approval !== null,
    usedToday: { officer: 0, agency: 0, row: () => 0 },
    limits: { officer: subjectsPerDay, agency: register.agency(agency, time)?.subjectsPerDay ?? 0 },
  });
}

/**
 * Whether gateway and keeper decided one request in ways that what the gateway cannot know does not explain: a sign
 * that one of them has been changed, or reads another register.
 */
export function decisionsDiffer(here: Decision | null, keepers: AskDecision): boolean {
  if (here === null) return true;
  if (keepers.outcome === 'refused') {
    if (KEEPERS_OWN.has(keepers.code)) return false;
    return here.outcome !== 'refused' || here.code !== keepers.code;
  }
  if (here.outcome === 'refused') return !KEEPERS_OWN.has(here.code);
  if (keepers.outcome === 'allowed') return here.outcome !== 'allowed';
  return here.outcome === 'allowed' && !keepers.reasons.includes('protected');
}
