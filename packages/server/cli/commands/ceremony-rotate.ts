import { writeDocument } from '@amanat/core/grants';
import { instancePaths } from '../../config/paths.ts';
import { CEREMONY_OPTIONS, CeremonyTable, describeEntry, SHARES_OPTIONS } from '../ceremony.ts';
import type { Call, Command, Outcome } from '../command.ts';
import { wrongUsage } from '../errors.ts';
import { openApi } from '../instance.ts';
import { changeToDevice, changeToPassphrase, changeToShares } from '../root-change.ts';
import {
  findHalfSigned,
  SIGNING_ABOUT,
  SIGNING_OPTIONS,
  signByAdministrators,
} from '../signing.ts';
import { completeRoot } from './ceremony-init.ts';

/** `amanat ceremony rotate`: another root, or another generation, while the keeper serves. */
export const ceremonyRotate: Command = {
  usage:
    '(--root (--sheets FOLDER|--device|--passphrase)|--generation) [HALF.json] --reason TEXT --as KEY [--as KEY]',
  about:
    'With --root: draws another root, among custodians, in a device or under a passphrase, and has the keeper put its generations ' +
    'under it in one step; the root before opens nothing any more. With --generation: has the keeper draw its next ' +
    'generation, wrap every key anew, some at a time while it serves, and destroy the one before. ' +
    SIGNING_ABOUT,
  example:
    'amanat ceremony rotate --generation --reason "yearly" --as admin-a.pem --as admin-b.pem\n' +
    'amanat ceremony rotate --root --sheets /run/amanat-sheets --reason "a custodian left" --as admin-a.pem --as admin-b.pem',
  options: {
    ...SIGNING_OPTIONS,
    ...CEREMONY_OPTIONS,
    ...SHARES_OPTIONS,
    root: { help: 'another root' },
    generation: { help: 'another generation' },
    device: { help: 'the root under the key in the device that config.json names' },
    passphrase: { help: 'the root under a new passphrase, drawn into its file: for trials' },
    'passphrase-file': { value: 'FILE', help: 'that file (the instance’s own)' },
    reason: { value: 'TEXT', help: 'why; the log is public, so that it names nobody' },
  },
  words: [0, 1],
  async run(call) {
    const isRoot = call.arguments.flag('root');
    if (isRoot === call.arguments.flag('generation')) {
      throw wrongUsage('either --root or --generation is given');
    }
    const half = await findHalfSigned(call.arguments.words[0]);
    await using _api = await openApi(call);
    if (!isRoot) return await rotateGeneration(call, half);
    if (half !== null) return await completeRoot(call, half);
    await using table = await CeremonyTable.open(call);
    if (call.arguments.flag('device')) return await changeToDevice(call, table);
    if (!call.arguments.flag('passphrase')) return await changeToShares(call, table);
    const path = call.arguments.text('passphrase-file') ?? instancePaths(call.dir).passphrase;
    return await changeToPassphrase(call, table, path);
  },
};

async function rotateGeneration(call: Call, half: string | null): Promise<Outcome> {
  await using table = await CeremonyTable.open(call);
  const before = (await table.status()).generations?.present ?? 0;
  const outcome = await signByAdministrators(call, 'generation-rotation', half, async (api) => {
    const { generationRotations } = await api.get<{ readonly generationRotations: number }>(
      '/v1/instance',
    );
    return writeDocument<'generation-rotation'>({
      type: 'generation-rotation',
      version: generationRotations + 1,
      reason: call.arguments.required('reason'),
      time: call.now(),
    });
  });
  if (outcome.json?.submitted !== true) return outcome;
  call.say('The keeper wraps every key anew; it goes on with it if this is stopped.');
  await table.waitUntil(
    ({ generations }) =>
      generations !== null && generations.present > before && !generations.isRotating,
    call.signal,
  );
  const generation = (await table.status()).generations?.present ?? null;
  const entry = await table.entryOf('generation-rotation', call.signal);
  return {
    json: { ...outcome.json, generation, entry },
    lines: [
      ...outcome.lines,
      `Every key is under generation ${generation}; the one before is destroyed.`,
      describeEntry(entry),
    ],
  };
}
