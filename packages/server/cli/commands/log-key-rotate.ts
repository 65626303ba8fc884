import { existsSync } from 'node:fs';
import { writeDocument } from '@amanat/core/grants';
import { readConfig } from '../../config/config.ts';
import { instancePaths } from '../../config/paths.ts';
import { createLogKey, logKeyFile, readLogKey } from '../../log/log.ts';
import type { Command } from '../command.ts';
import {
  findHalfSigned,
  SIGNING_ABOUT,
  SIGNING_OPTIONS,
  signByAdministrators,
} from '../signing.ts';

const DAY_MS = 86_400_000;
const DAYS = { min: 0, max: 3_650, otherwise: 30 };

/** `amanat log-key rotate`: another key signs the log, while it is served. */
export const logKeyRotate: Command = {
  usage: '[HALF.json] --as KEY [--as KEY] [--both-days N]',
  about:
    'Draws the log’s next key in the instance’s folder, and enters a document that names it, which the present key and ' +
    'the next one sign too. From that leaf on the next key signs the log; the present one signs beside it for so many ' +
    'days and is then destroyed, file and all. Back up the log’s folder before, and give the next key to whoever audits, ' +
    `mirrors or witnesses the log within those days. Runs as the gateway’s user, on its machine. ${SIGNING_ABOUT}`,
  example: 'amanat log-key rotate --as admin-a.pem --as admin-b.pem',
  options: {
    ...SIGNING_OPTIONS,
    'both-days': { value: 'N', help: 'how long the present key signs too (30)' },
  },
  words: [0, 1],
  async run(call) {
    const half = await findHalfSigned(call.arguments.words[0]);
    const days = call.arguments.integer('both-days', DAYS);
    return signByAdministrators(call, 'log-key', half, async (api) => {
      const { log } = instancePaths(call.dir);
      const { origin } = readConfig(call.dir);
      const { logKeyVersion } = await api.get<{ readonly logKeyVersion: number }>('/v1/instance');
      const version = logKeyVersion + 1;
      // One that was drawn and never named is as good as a new one.
      const isDrawn = existsSync(logKeyFile(log, version));
      const key = (isDrawn ? readLogKey : createLogKey)(log, origin, version);
      return writeDocument<'log-key'>({
        type: 'log-key',
        version,
        key: key.verifierKey,
        bothUntil: call.now() + days * DAY_MS,
        time: call.now(),
      });
    });
  },
};
