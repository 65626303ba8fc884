import { sha256 } from '#sha256';
import { base64, fromBase64, hex } from '../bytes.ts';
import { sealTo } from '../keys/hpke.ts';
import type { View } from '../view.ts';
import { readView, VIEW_ANSWER, VIEW_INFO, writeViewAsk } from '../view.ts';
import { openOnceByWebCrypto } from './open.ts';

const NO_AAD = new Uint8Array(0);
/** Characters of a sealed view: what the keeper's largest frame could carry. */
const SEALED_VIEW_CHARACTERS_MAX = 48 * 1024 * 1024;

/** One asking for one's history: what goes to the gateway, and how to open what the keeper seals back. */
export interface ViewSession {
  /** Base64 of the ephemeral key that this asking was sealed with. The keeper's heads name its hash. */
  readonly enc: string;
  /** Base64; only the keeper can open it. */
  readonly ciphertext: string;
  /**
   * Opens the keeper's answer (base64: AES-256-GCM, zero nonce, under the key that both ends export).
   * @throws CoreError 'bad-ciphertext', 'bad-document' or 'bad-encoding'
   */
  open(sealed: string): Promise<View>;
}

/**
 * Seals an access code to the keeper, so that the gateway carries it and cannot read it.
 * @param code 32 lower-case hexadecimal digits; see {@link parseAccessCode}.
 * @param keeperSealingKey base64 of a P-256 point.
 * @param now milliseconds since 1970; the keeper refuses an asking that is minutes old.
 * @throws CoreError 'bad-key', 'bad-encoding' or 'bad-document'
 */
export async function askForView(
  code: string,
  keeperSealingKey: string,
  now: number,
): Promise<ViewSession> {
  const ask = writeViewAsk({ type: 'view', code, time: now });
  const { enc, ciphertext, exporter } = await sealTo(fromBase64(keeperSealingKey), VIEW_INFO, ask);
  return {
    enc: base64(enc),
    ciphertext: base64(ciphertext),
    async open(sealed) {
      const text = sealed.length > SEALED_VIEW_CHARACTERS_MAX ? '' : sealed;
      return readView(await openOnceByWebCrypto(exporter(VIEW_ANSWER), fromBase64(text), NO_AAD));
    },
  };
}

/** What a head must name for it to be an answer to this session: SHA-256 of `enc`, in hexadecimal. */
export function sessionHash(enc: Uint8Array): string {
  return hex(sha256(enc));
}

const CODE_DIGITS = 32;
const CODE_GROUP = 4;
/** Longer input is no code, whatever else it may be. */
const TYPED_MAX = 200;
// White space, dashes of every kind, and the marks that come along with right-to-left text.
const FILLER = /[\s\p{Pd}\p{Cf}.:_]/gu;
// Letters that are read for digits; none of them occurs in hexadecimal.
const LOOKS_LIKE: ReadonlyMap<string, string> = new Map([
  ['o', '0'],
  ['i', '1'],
  ['l', '1'],
]);
const URDU_ZERO = 0x06f0;
const ARABIC_ZERO = 0x0660;

/**
 * The hexadecimal digits in what a person typed or pasted: groups, capitals, Urdu and Arabic digits and look-alikes
 * (o for 0) are taken for what they stand for. Gives null where something else stands in it.
 */
export function readTypedCode(typed: string): string | null {
  if (typed.length > TYPED_MAX) return null;
  const plain = [...typed.replaceAll(FILLER, '').toLowerCase()].map(plainDigit).join('');
  return /^[0-9a-f]*$/.test(plain) ? plain : null;
}

/** A whole access code as typed, in the form that {@link askForView} takes; null where it is not one. */
export function parseAccessCode(typed: string): string | null {
  const digits = readTypedCode(typed);
  return digits?.length === CODE_DIGITS ? digits : null;
}

/** A code, or the beginning of one, in groups of four, as it is handed out and typed. */
export function formatAccessCode(digits: string): string {
  return digits.match(new RegExp(`.{1,${CODE_GROUP}}`, 'g'))?.join(' ') ?? '';
}

function plainDigit(character: string): string {
  const point = character.codePointAt(0) as number;
  for (const zero of [URDU_ZERO, ARABIC_ZERO]) {
    if (point >= zero && point <= zero + 9) return String(point - zero);
  }
  return LOOKS_LIKE.get(character) ?? character;
}
