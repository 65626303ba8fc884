import { readShredCertificate } from '@amanat/core/shred-certificate';
import type { Api } from '../client.ts';
import type { Command } from '../command.ts';
import { wrongUsage } from '../errors.ts';
import { openApi } from '../instance.ts';
import { describeCertificate, saveShredProof } from '../shred-words.ts';

/** Pages of certificates that are read at most. */
const PAGES_MAX = 10_000;

interface Page {
  readonly certificates: readonly { readonly certificate: string }[];
  readonly next: number | null;
}

/** `amanat shredded`: what was destroyed, by the keeper's certificates. */
export const shredded: Command = {
  usage: '[INDEX --save FILE]',
  about:
    'Lists what the keeper has destroyed: people’s keys, of whom it says nothing, and months of holdings. With the index ' +
    'of an entry and --save its certificate is saved with the proof that the entry stands in the log, for amanat ' +
    'verify-proof.',
  example: 'amanat shredded\namanat shredded 4711 --save erased.json',
  options: { save: { value: 'FILE', help: 'save the certificate’s proof' } },
  words: [0, 1],
  async run(call) {
    const [word] = call.arguments.words;
    const save = call.arguments.text('save');
    if ((word === undefined) !== (save === null)) {
      throw wrongUsage('give an entry’s index and --save, or neither');
    }
    await using api = await openApi(call);
    if (word === undefined || save === null) {
      const certificates = await readAll(api);
      return {
        json: { certificates },
        lines:
          certificates.length === 0
            ? ['Nothing was destroyed yet.']
            : certificates.flatMap(describeCertificate),
      };
    }
    const index = Number(word);
    if (!Number.isSafeInteger(index) || index < 0) throw wrongUsage('INDEX is a whole number');
    const lines = await saveShredProof(api, index, save, call.now());
    return { json: { index, saved: save }, lines };
  },
};

async function readAll(api: Api) {
  const found = [];
  let from: number | null = 0;
  for (let page = 0; from !== null && page < PAGES_MAX; page++) {
    const answer: Page = await api.get<Page>(`/v1/certificates?from=${from}`);
    found.push(...answer.certificates.map((each) => readShredCertificate(each.certificate)));
    from = answer.next;
  }
  return found;
}
