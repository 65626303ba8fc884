import type { Witnesses } from '@amanat/core/grants';
import { writeDocument } from '@amanat/core/grants';
import type { PlainValue } from '../../holdings/holdings.ts';
import type { Command } from '../command.ts';
import { CliError } from '../errors.ts';
import {
  findHalfSigned,
  SIGNING_ABOUT,
  SIGNING_OPTIONS,
  signByAdministrators,
} from '../signing.ts';
import { nextVersion } from '../versions.ts';
import { expected, integerOf, membersOf, readYamlFile, textOf } from '../yaml-file.ts';

/** `amanat witnesses declare`: who has to cosign the log, by two administrators. */
export const witnessesDeclare: Command = {
  usage: 'FILE.yaml --as KEY [--as KEY]',
  about:
    'Appoints the witnesses that have to cosign the log, in place of the last: once it is in force nothing is read ' +
    `without a quorum of them, and the keeper checks it itself. ${SIGNING_ABOUT}`,
  example: 'amanat witnesses declare witnesses.yaml --as admin-a.pem --as admin-b.pem',
  options: SIGNING_OPTIONS,
  words: [1, 1],
  async run(call) {
    const path = call.arguments.word(0, 'FILE.yaml');
    const half = await findHalfSigned(path);
    const file = half === null ? parseWitnesses(await readYamlFile(path)) : null;
    return signByAdministrators(call, 'witnesses', half, async (api) => {
      if (file === null) throw new Error('a half-signed document is not made again');
      const version = await nextVersion(api, { kind: 'witnesses' });
      return writeDocument<'witnesses'>({ type: 'witnesses', version, ...file, time: call.now() });
    });
  },
};

type WitnessesFile = Omit<Witnesses, 'type' | 'version' | 'time'>;

/**
 * Reads who witnesses from plain YAML data: `witnesses` (each with `key` and `url`), `quorum`, `faulty`, and
 * `break glass` (`quorum` and `releases`) or none.
 * @throws CliError 'failed'
 */
function parseWitnesses(value: PlainValue): WitnessesFile {
  const file = membersOf(value, 'file', ['witnesses', 'quorum', 'faulty', 'break glass']);
  if (!Array.isArray(file.witnesses)) throw expected('witnesses', 'a list');
  const witnesses = (file.witnesses as readonly PlainValue[]).map((each, at) => {
    const place = `witness ${at + 1}`;
    const { key, url } = membersOf(each, place, ['key', 'url']);
    return { key: textOf(key, `${place}, key`), url: textOf(url, `${place}, url`) };
  });
  const glass = file['break glass'];
  const parsed: WitnessesFile = {
    witnesses,
    quorum: integerOf(file.quorum, 'quorum'),
    faulty: integerOf(file.faulty, 'faulty'),
    breakGlass: glass === undefined || glass === null ? null : parseGlass(glass),
  };
  try {
    // What quorums must be is the document's own to say.
    writeDocument({ type: 'witnesses', version: 1, ...parsed, time: 0 });
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : 'not a list of witnesses';
    throw new CliError('failed', message, { cause, reason: 'bad-value' });
  }
  return parsed;
}

function parseGlass(value: PlainValue): NonNullable<WitnessesFile['breakGlass']> {
  const { quorum, releases } = membersOf(value, 'break glass', ['quorum', 'releases']);
  return {
    quorum: integerOf(quorum, 'break glass, quorum'),
    releases: integerOf(releases, 'break glass, releases'),
  };
}
