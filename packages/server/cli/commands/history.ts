import type { InstanceAnswer } from '@amanat/core/verify';
import {
  askForView,
  claimedKeys,
  makeBundle,
  parseAccessCode,
  verifyHistory,
} from '@amanat/core/verify';
import type { Command } from '../command.ts';
import { CliError } from '../errors.ts';
import { readInput, STANDARD_INPUT, writePrivate } from '../files.ts';
import {
  describeBrokenGlass,
  describeVerification,
  readKeys,
  tilesOf,
  verificationJson,
} from '../history-words.ts';
import { openApi } from '../instance.ts';

/** `amanat history`: who looked at a person's records, with every proof checked here. */
export const history: Command = {
  usage: '[--from FILE] [--keys FILE] [--save FILE]',
  about:
    'Shows a person her history and checks every proof of it here: the keeper’s signature, the numbers of the entries, ' +
    'each statement against the log’s leaf, each leaf against the tree, the chain to its end, the witnesses’ ' +
    'cosignatures. Her code comes from ' +
    'standard input. Exits with 1 unless every check passes. Looking is an entry of its own.',
  example: 'amanat history --save history.json < code.txt',
  options: {
    from: { value: 'FILE', help: 'where the code stands (-, standard input)' },
    keys: {
      value: 'FILE',
      help: 'JSON with logKey, keeperKey, witnesses, known from elsewhere (the instance’s own)',
    },
    save: {
      value: 'FILE',
      help: 'save the proofs, for amanat verify-proof; they hold her history',
    },
  },
  words: [0, 0],
  async run(call) {
    const typed = await readInput(call.arguments.text('from') ?? STANDARD_INPUT, call.stdin, 4096);
    const code = parseAccessCode(typed);
    if (code === null) {
      throw new CliError('failed', 'what came on standard input is no access code', {
        remedy: 'a code has 32 digits, 0 to 9 and a to f, in groups of four',
      });
    }
    const keysPath = call.arguments.text('keys');
    const pinned = keysPath === null ? null : await readKeys(keysPath);
    await using api = await openApi(call);
    const instance = await api.get<InstanceAnswer & { readonly keeperSealingKey: string }>(
      '/v1/instance',
    );
    const session = await askForView(code, instance.keeperSealingKey, call.now());
    const { body: answer } = await api.post<unknown>('/v1/history', {
      enc: session.enc,
      ciphertext: session.ciphertext,
    });
    const verification = await verifyHistory({
      answer,
      session,
      keys: pinned ?? claimedKeys(instance, call.now()),
      tiles: tilesOf(api),
      now: call.now(),
    });
    const save = call.arguments.text('save');
    if (save !== null && verification.material !== null) {
      const { material } = verification;
      writePrivate(save, makeBundle({ ...verification, material }, call.now()), { replace: false });
    }
    return {
      ok: verification.verified,
      json: { ...verificationJson(verification), ...(save === null ? {} : { saved: save }) },
      lines: [
        ...(await describeVerification(verification, api)),
        ...describeBrokenGlass(instance, call.now()),
        ...(pinned === null ? ['The keys are the instance’s own word: pin them with --keys.'] : []),
      ],
    };
  },
};
