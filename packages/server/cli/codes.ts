import { createHash } from 'node:crypto';
import { hex } from '@amanat/core/bytes';
import type { Identifier, Signed } from '@amanat/core/grants';
import { writeDocument } from '@amanat/core/grants';
import type { SigningKey } from '@amanat/core/keys';
import { signDocument } from './keys.ts';
import type { Random } from './requests.ts';

const CODE_BYTES = 16;

/** An access code, and what the registrar signs so that the keeper knows its hash. */
export interface DrawnCode {
  /** 32 hexadecimal digits: the person's, and nobody else's. */
  readonly code: string;
  readonly signed: Signed;
}

/** Draws an access code of 128 bits for a person. */
export function drawCode(
  registrar: SigningKey,
  identifier: Identifier,
  { now, random }: { now: number; random: Random },
): DrawnCode {
  const code = hex(random(CODE_BYTES));
  const document = writeDocument({
    type: 'code',
    identifier,
    codeHash: createHash('sha256').update(code).digest('hex'),
    nonce: hex(random(16)),
    time: now,
  });
  return { code, signed: { document, signatures: [signDocument(registrar, document)] } };
}
