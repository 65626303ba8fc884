import type { CosigningKind } from '@amanat/core/keys';
import { formatVerifierKey } from '@amanat/core/log';
import { createWitnessFolder } from '../../witness/witness.ts';
import type { Command } from '../command.ts';

/** `amanat witness init`: a witness's folder and keys. */
export const witnessInit: Command = {
  usage: '--name NAME [--ml-dsa]',
  about:
    'Makes a witness in a folder of its own, on a machine of its own: whoever witnesses a log must not be its operator. ' +
    'Draws an Ed25519 key and, with --ml-dsa, an ML-DSA-44 key besides, which a quantum computer does not break. ' +
    'Prints the verifier keys, which are for whoever relies on this witness.',
  example: 'amanat witness init --dir ./witness --name witness.example.org/w1',
  options: {
    name: { value: 'NAME', help: 'the witness’s name, such as witness.example.org/w1' },
    'ml-dsa': { help: 'cosign with ML-DSA-44 as well' },
  },
  words: [0, 0],
  async run(call) {
    const name = call.arguments.required('name');
    const kinds: CosigningKind[] = call.arguments.flag('ml-dsa')
      ? ['ed25519', 'ml-dsa-44']
      : ['ed25519'];
    const keys = createWitnessFolder(call.dir, { name, kinds });
    const verifierKeys = keys.map((key) => formatVerifierKey(key.public));
    return {
      json: { dir: call.dir, name, verifierKeys },
      lines: [
        `Made the witness ${name} in ${call.dir}.`,
        ...verifierKeys.map((key) => `Verifier key: ${key}`),
        'Name the logs to be witnessed in logs.policy there, and run amanat witness.',
      ],
    };
  },
};
