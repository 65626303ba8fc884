import { base64 } from '@amanat/core/bytes';
import type { AuditReport } from '../../audit/audit.ts';
import { auditLog } from '../../audit/audit.ts';
import type { Command } from '../command.ts';
import { wrongUsage } from '../errors.ts';
import {
  describeFindings,
  LOG_OPTIONS,
  PROCESSES_OPTION,
  processesOf,
  readLogKey,
  readPlace,
  readPolicy,
} from '../log-place.ts';
import { format } from '../progress.ts';

const SECONDS_MAX = 10 * 366 * 86_400;

/** `amanat audit`: a log, from outside, with nothing but its key. */
export const audit: Command = {
  usage:
    'URL|FOLDER --key VKEY|--keys FILE [--state FILE] [--policy FILE] [--max-age SECONDS] [--processes N]',
  about:
    'Checks a log from outside, with nothing but its key; any log of C2SP tiles, not only Amanat’s. Every entry is ' +
    'hashed, up to the signed root, and every tile compared. With --state it remembers what it has verified: the next ' +
    'run fetches what is new, and finds a log that has shrunk or forked, of which it keeps both checkpoints beside the ' +
    'state. Without --policy, the witnesses that the public entries of an Amanat log appoint must have cosigned, as ' +
    'soon as its leaves show that they are in force. A checkpoint is as old as its quorum’s cosignatures, or else as ' +
    'the time since when its tree is known. Sealed look-ups whose month has been over for two days, and that no entry ' +
    'opens, are found too, and months of which the keeper’s counts of them are missing; so is what was ordered of the ' +
    'keeper’s root or generations and not carried out in seven days. ' +
    'Exits with 1 where anything is wrong.',
  example:
    'amanat audit https://log.example.org/ --key "$VKEY" --state log.json --max-age 86400\n' +
    'amanat audit ./mirror --key "$VKEY"',
  options: {
    ...LOG_OPTIONS,
    state: { value: 'FILE', help: 'remember there what was verified' },
    policy: {
      value: 'FILE',
      help: 'who has to have cosigned, in place of those appointed (C2SP tlog-policy)',
    },
    'max-age': { value: 'SECONDS', help: 'how old the checkpoint may be (of any age)' },
    ...PROCESSES_OPTION,
  },
  words: [1, 1],
  async run(call) {
    const given = call.arguments;
    const place = readPlace(given.word(0, 'URL|FOLDER'));
    const key = await readLogKey(given);
    const policyPath = given.text('policy');
    const maxAge = given.integer('max-age', { min: 0, max: SECONDS_MAX, otherwise: -1 });
    if (maxAge >= 0 && given.text('state') === null && policyPath === null) {
      throw wrongUsage('--max-age is judged by --state or --policy: give one of them');
    }
    const progress = call.progress('auditing', 'leaves');
    const report = await auditLog({
      place,
      key,
      statePath: given.text('state'),
      policy: policyPath === null ? null : await readPolicy(policyPath, key),
      maxAgeSeconds: maxAge < 0 ? null : maxAge,
      processes: processesOf(given),
      now: call.now,
      onLeaves: (leaves, size) => progress.at(leaves, size),
      signal: call.signal,
    });
    const { checkpoint, cosigned, rememberedSize, counts, findings, evidence, nextKey } = report;
    const { seals, orders } = report;
    progress.end((checkpoint?.size ?? rememberedSize) - rememberedSize);
    const verified = findings.length === 0;
    return {
      ok: verified,
      json: {
        verified,
        origin: key.name,
        size: checkpoint?.size ?? null,
        root: checkpoint === null ? null : base64(checkpoint.root),
        cosigned,
        rememberedSize,
        leaves: counts,
        seals,
        orders,
        findings,
        evidence,
        nextKey,
      },
      lines: describe(report, key.name),
    };
  },
};

function describe(report: AuditReport, origin: string): string[] {
  const { checkpoint, cosigned, rememberedSize, counts, findings, evidence, nextKey } = report;
  const { seals, orders } = report;
  const isOurs = counts !== null && counts.personal + counts.public > 0;
  const kinds = isOurs
    ? ` (${format(counts.personal)} about people, ${format(counts.public)} public, ` +
      `${format(counts.unknown)} unknown)`
    : '';
  return [
    `Log: ${origin}`,
    ...(checkpoint === null
      ? []
      : [
          `Leaves: ${format(checkpoint.size)}${kinds}; ${format(rememberedSize)} were known before.`,
          `Root: ${base64(checkpoint.root)}`,
        ]),
    ...(isOurs && seals !== null
      ? [
          `Sealed: ${format(seals.open)} not opened yet, ${format(seals.overdue)} overdue.`,
          ...seals.uncounted.map((month) => `  Of ${month} there are no counts.`),
        ]
      : []),
    ...(orders === null || orders.open === 0
      ? []
      : [
          `Ordered of the keeper’s keys: ${format(orders.open)} not carried out yet, ${format(orders.overdue)} overdue.`,
        ]),
    ...(cosigned === null ? [] : [`Cosigned: ${new Date(cosigned).toISOString()}`]),
    ...describeFindings(findings),
    ...evidence.map((path) => `  kept ${path}`),
    ...(nextKey === null
      ? []
      : [
          `The log has named another key: ${nextKey.key}`,
          `  Audit it by that one from now on; this one signs until ${new Date(nextKey.bothUntil).toISOString()}.`,
        ]),
    findings.length === 0 ? 'Verified.' : 'NOT VERIFIED.',
  ];
}
