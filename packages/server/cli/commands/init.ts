import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { hex } from '@amanat/core/bytes';
import type { DrawnRoot } from '@amanat/keeper/client';
import { Device, DeviceError, drawInDevice } from '@amanat/keeper/client';
import type { DeviceSettings } from '../../config/config.ts';
import { DEFAULT_PORT, isOrigin, toDeviceSettings } from '../../config/config.ts';
import type { InstancePaths } from '../../config/paths.ts';
import { runDevice } from '../../embedded-process.ts';
import { DEVICE_REMEDIES, requireNewFolder, SHARES_OPTIONS } from '../ceremony.ts';
import type { Call, Command } from '../command.ts';
import { createInstance } from '../create-instance.ts';
import { CliError, wrongUsage } from '../errors.ts';
import { readEnrolment } from '../keys.ts';
import type { Custodians } from '../root-change.ts';
import { drawFromSheets, sharesOf } from '../root-change.ts';

/** How often it is looked whether the device's process listens, and how many times. */
const LOOK_MS = 100;
const LOOKS_MAX = 100;
const DAY_SECONDS = 86_400;
const PUBLISH_SECONDS = 600;

/** `amanat init`: an instance, and who may change it. */
export const init: Command = {
  usage:
    '--administrator FILE --administrator FILE --registrar FILE [--mode trial|demo] [--sheets FOLDER|--module FILE …]',
  about:
    'Makes an instance. The two administrators named here, together, are the only ones who may ever change who may ' +
    'sign, ask or be asked about; the registrar hands out people’s access codes. All three stand in the log’s first ' +
    'entry, which the keeper pins. In the modes trial and demo, keeper and gateway share this machine. The key of the ' +
    'keeper’s root is under a passphrase in a file, for trials, not for real records; with --sheets it is among ' +
    'custodians from the beginning, with --module in a device, which config.json then names.',
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
    ...SHARES_OPTIONS,
    module: { value: 'FILE', help: 'the PKCS #11 module of a device with the root’s key' },
    token: { value: 'LABEL', help: 'the label of the device’s token' },
    key: { value: 'ID', help: 'the id of the key in it, in hexadecimal' },
    'pin-file': { value: 'FILE', help: 'the file with its PIN, which stays where it is' },
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
    const device = deviceOf(call);
    const custodians = call.arguments.text('sheets') === null ? null : sharesOf(call);
    if (device !== null && custodians !== null) {
      throw wrongUsage('either --sheets or --module is given');
    }
    if (custodians !== null) requireNewFolder(custodians.folder);
    await using made = new AsyncDisposableStack();
    let sheets: readonly string[] = [];
    const drawRoot = async (paths: InstancePaths): Promise<DrawnRoot> => {
      if (device !== null) return await drawBeside(made, paths, device);
      const drawn = await drawFromSheets({ ...(custodians as Custodians), origin });
      sheets = drawn.sheets;
      return drawn;
    };
    const isOwn = device === null && custodians === null;
    const genesis = await createInstance(
      { dir: call.dir, mode, origin, administrators, registrar, device, ...terms },
      { now: call.now(), random: randomBytes, ...(isOwn ? {} : { drawRoot }) },
    );
    return {
      json: {
        dir: call.dir,
        mode,
        origin,
        logKey: genesis.logKey,
        keeperKey: genesis.keeperKey,
        keeperSealingKey: genesis.keeperSealingKey,
        ...(sheets.length === 0 ? {} : { sheets }),
      },
      lines: [
        `Made an instance in ${call.dir} (${mode}).`,
        `Log key:    ${genesis.logKey}`,
        `Keeper key: ${genesis.keeperKey}`,
        'Publish both keys elsewhere too: by them anyone checks proofs without trusting this machine.',
        ...(sheets.length === 0
          ? []
          : [
              `${sheets.length} sheets of its root are in ${custodians?.folder}: print them, give each to its custodian, and ` +
                'shred the files. The keeper starts locked, and waits for them.',
            ]),
      ],
    };
  },
};

/** @throws CliError 'wrong-usage' where it is named in part */
function deviceOf(call: Call): DeviceSettings | null {
  const names = ['module', 'token', 'key', 'pin-file'] as const;
  if (names.every((name) => call.arguments.text(name) === null)) return null;
  const [module, token, key, pinFile] = names.map((name) => call.arguments.required(name));
  return toDeviceSettings({ module, token, key, pinFile: resolve(pinFile ?? '') });
}

/** Draws a root in a device, by a process that stays beside until the instance is made. @throws CliError 'refused' */
async function drawBeside(
  made: AsyncDisposableStack,
  paths: InstancePaths,
  settings: DeviceSettings,
): Promise<DrawnRoot> {
  const beside = runDevice(paths, settings, () => {});
  made.defer(() => beside.stop());
  for (let looks = 1; ; looks++) {
    try {
      return await drawInDevice(new Device(paths.deviceSocket));
    } catch (cause) {
      if (!(cause instanceof DeviceError)) throw cause;
      if (cause.code !== 'device-unreachable' || looks === LOOKS_MAX) {
        throw new CliError('refused', cause.message, {
          cause,
          reason: cause.code,
          remedy: DEVICE_REMEDIES[cause.code],
        });
      }
    }
    await sleep(LOOK_MS);
  }
}

async function readPublicKey(path: string, role: 'administrator' | 'registrar'): Promise<string> {
  const enrolment = await readEnrolment(path);
  if (enrolment.role === role) return enrolment.key;
  throw new CliError('refused', `${path} is a request of another role: ${enrolment.role}`, {
    remedy: `make one with amanat keygen --role ${role}`,
  });
}
