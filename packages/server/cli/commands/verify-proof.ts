import { CoreError } from '@amanat/core/errors';
import type { InstanceKeys } from '@amanat/core/verify';
import {
  BUNDLE_CHARACTERS_MAX,
  isShredProof,
  verifyBundle,
  verifyShredProof,
} from '@amanat/core/verify';
import type { Command, Outcome } from '../command.ts';
import { CliError } from '../errors.ts';
import { readText } from '../files.ts';
import {
  describeVerification,
  describeWitnessed,
  readKeys,
  verificationJson,
} from '../history-words.ts';
import { describeCertificate } from '../shred-words.ts';

/** `amanat verify-proof`: a saved history, checked again without any instance. */
export const verifyProof: Command = {
  usage: 'FILE [--keys FILE]',
  about:
    'Checks a file that a person’s page or amanat history saved, or amanat shredded: the same checks, without network and ' +
    'without any instance. With --keys it is checked against keys known from elsewhere; without, it is only shown to agree with ' +
    'itself. Where the file of keys names witnesses, a quorum of them must have cosigned; where it names none, the ' +
    'proof says "not yet witnessed" whatever it holds. Exits with 1 unless every check passes.',
  example: 'amanat verify-proof history.json --keys published-keys.json',
  options: {
    keys: { value: 'FILE', help: 'JSON with logKey, keeperKey, witnesses, known from elsewhere' },
  },
  words: [1, 1],
  async run(call) {
    const path = call.arguments.word(0, 'FILE');
    const file = await readText(path, BUNDLE_CHARACTERS_MAX);
    const keysPath = call.arguments.text('keys');
    const pinned = keysPath === null ? null : await readKeys(keysPath);
    if (isShredProof(file)) return verifyCertificate(path, file, pinned, call.now());
    const verification = await verifyBundle(file, pinned, call.now()).catch(refuse(path));
    const { made, claimedKeys } = verification;
    return {
      ok: verification.verified,
      json: { ...verificationJson(verification), made, claimedKeys, pinned: pinned !== null },
      lines: [
        ...(await describeVerification(verification, null)),
        `Saved ${new Date(made).toISOString()}.`,
        ...describeChanged(pinned, claimedKeys, verification.checks),
        ...describeClaimed(pinned, claimedKeys),
      ],
    };
  },
};

/** The keeper's certificate of what it destroyed. */
async function verifyCertificate(
  path: string,
  file: string,
  pinned: InstanceKeys | null,
  now: number,
): Promise<Outcome> {
  const found = await verifyShredProof(file, pinned, now).catch(refuse(path));
  const { verified, checks, certificate, witnessed, claimedKeys } = found;
  return {
    ok: verified,
    json: { verified, checks, certificate, witnessed, claimedKeys, pinned: pinned !== null },
    lines: [
      ...(certificate === null ? [] : describeCertificate(certificate)),
      '',
      ...checks.map(({ id, state }) => `  ${state.padEnd(11)} ${id}`),
      verified ? 'Verified.' : 'NOT VERIFIED.',
      ...describeWitnessed(checks, witnessed),
      ...describeChanged(pinned, claimedKeys, checks),
      ...describeClaimed(pinned, claimedKeys),
    ],
  };
}

function refuse(path: string) {
  return (cause: unknown): never => {
    if (!(cause instanceof CoreError)) throw cause;
    // What the file has instead may be anything, and is not repeated.
    throw new CliError('failed', `${path} is no saved proof`, {
      cause,
      reason: cause.code,
      remedy: 'amanat history --save makes one, and amanat shredded',
    });
  };
}

/** A log may have had another key when the proof was saved. Whether it had, the file alone does not say. */
function describeChanged(
  pinned: InstanceKeys | null,
  claimed: InstanceKeys,
  checks: readonly { readonly id: string; readonly state: string }[],
): readonly string[] {
  const isSigned = checks.every(
    ({ id, state }) => id !== 'checkpoint-signature' || state !== 'failed',
  );
  if (pinned === null || isSigned || pinned.logKey === claimed.logKey) return [];
  return [
    'Its checkpoint is not signed by the log’s key that was given. If the log’s key was changed since the proof was saved,',
    'give the keys as they were published then.',
  ];
}

function describeClaimed(pinned: InstanceKeys | null, claimed: InstanceKeys): readonly string[] {
  if (pinned !== null) return [];
  return [
    'No keys were given: this shows only that the file agrees with itself. It says its keys are',
    `  ${claimed.logKey}`,
    `  ${claimed.keeperKey}`,
    ...(claimed.witnesses?.keys ?? []).map((key) => `  ${key}`),
  ];
}
