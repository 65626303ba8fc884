import type { Verification } from '@amanat/core/verify';
import { askForView, tilePath, verifyHistory } from '@amanat/core/verify';
import type { Answer, Served } from './_served.ts';

/** A person's history by her code, with every proof checked as her browser checks it. */
export async function readHistory(
  served: Pick<Served, 'get' | 'post'>,
  code: string,
): Promise<Verification & { readonly response: Answer }> {
  const { json: keys } = await served.get('/v1/instance');
  const session = await askForView(code, keys.keeperSealingKey, Date.now());
  const { enc, ciphertext } = session;
  const response = await served.post('/v1/history', { enc, ciphertext });
  const found = await verifyHistory({
    answer: response.json,
    session,
    keys,
    tiles: {
      readTile: async (position) => (await served.get(`/${tilePath(position)}`)).bytes,
    },
    now: Date.now(),
  });
  return { ...found, response };
}
