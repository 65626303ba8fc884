import { randomBytes } from 'node:crypto';
import { hex } from '@amanat/core/bytes';
import { DEFAULT_PORT, isOrigin } from '../../config/config.ts';
import type { Command } from '../command.ts';
import { createInstance } from '../create-instance.ts';
import { CliError, wrongUsage } from '../errors.ts';
import { readEnrolment } from '../keys.ts';

const DAY_SECONDS = 86_400;
const PUBLISH_SECONDS = 600;

/** `amanat init`: an instance, and who may change it. */
export const init: Command = {
  usage: '--administrator FILE --administrator FILE --registrar FILE [--mode trial|demo]',
  about:
    'Makes an instance. The two administrators named here, together, are the only ones who may ever change who may ' +
    'sign, ask or be asked about; the registrar hands out people’s access codes. All three stand in the log’s first ' +
    'entry, which the keeper pins. In the modes trial and demo, keeper and gateway share this machine, and the ' +
    'keeper’s passphrase is in a file: for trials, not for real records.',
  example:
    'amanat init --dir ./amanat-data \\\n' +
    '  --administrator admin-a.pem.request.json --administrator admin-b.pem.request.json \\\n' +
    '  --registrar registrar.pem.request.json',
  options: {
    administrator: { value: 'FILE', help: 'an administrator’s enrolment request; two', many: true },
    registrar: { value: 'FILE', help: 'the registrar’s enrolment request' },
    mode: { value: 'MODE', help: 'trial (the default), or demo: synthetic identifiers only' },
    'activation-seconds': {
      value: 'N',
      help: 'how long what gives rights waits to be in force (a day; demo: 0)',
    },
    origin: { value: 'NAME', help: 'the log’s name, such as log.example.org/amanat' },
    port: { value: 'N', help: `port of the API and the pages on 127.0.0.1 (${DEFAULT_PORT})` },
    'publish-seconds': {
      value: 'N',
      help: `how often the log’s tiles are published (${PUBLISH_SECONDS}; demo: at once)`,
    },
  },
  words: [0, 0],
  async run(call) {
    const mode = call.arguments.choice('mode', ['trial', 'demo'], 'trial');
    const isDemo = mode === 'demo';
    const origin = call.arguments.text('origin') ?? `amanat.local/${hex(randomBytes(4))}`;
    if (!isOrigin(origin)) {
      throw wrongUsage(
        '--origin is a name such as log.example.org/amanat: small letters, digits, dots and hyphens, in parts that a ' +
          'slash divides, and no scheme',
      );
    }
    const terms = {
      activationSeconds: call.arguments.integer('activation-seconds', {
        min: 0,
        max: 30 * DAY_SECONDS,
        otherwise: isDemo ? 0 : DAY_SECONDS,
      }),
      port: call.arguments.integer('port', { min: 1, max: 65_535, otherwise: DEFAULT_PORT }),
      publishSeconds: call.arguments.integer('publish-seconds', {
        min: 0,
        max: 3600,
        otherwise: isDemo ? 0 : PUBLISH_SECONDS,
      }),
    };
    const files = call.arguments.requiredTexts('administrator');
    const [first, second, third] = files;
    if (first === undefined || second === undefined || third !== undefined) {
      throw wrongUsage('--administrator is given exactly twice: two persons, two keys');
    }
    const administrators = [
      await readPublicKey(first, 'administrator'),
      await readPublicKey(second, 'administrator'),
    ] as const;
    if (administrators[0] === administrators[1]) {
      throw new CliError('refused', 'the two administrators have one key', {
        reason: 'not-two-administrators',
        remedy: 'each administrator makes a key with amanat keygen --role administrator',
      });
    }
    const registrar = await readPublicKey(call.arguments.required('registrar'), 'registrar');
    const genesis = await createInstance(
      { dir: call.dir, mode, origin, administrators, registrar, ...terms },
      { now: call.now(), random: randomBytes },
    );
    return {
      json: {
        dir: call.dir,
        mode,
        origin,
        logKey: genesis.logKey,
        keeperKey: genesis.keeperKey,
        keeperSealingKey: genesis.keeperSealingKey,
      },
      lines: [
        `Made an instance in ${call.dir} (${mode}).`,
        `Log key:    ${genesis.logKey}`,
        `Keeper key: ${genesis.keeperKey}`,
        'Publish both keys elsewhere too: by them anyone checks proofs without trusting this machine.',
      ],
    };
  },
};

async function readPublicKey(path: string, role: 'administrator' | 'registrar'): Promise<string> {
  const enrolment = await readEnrolment(path);
  if (enrolment.role === role) return enrolment.key;
  throw new CliError('refused', `${path} is a request of another role: ${enrolment.role}`, {
    remedy: `make one with amanat keygen --role ${role}`,
  });
}
