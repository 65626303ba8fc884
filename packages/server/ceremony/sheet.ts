import type { RootShare } from '@amanat/core/keys';
import { formatShare } from '@amanat/core/keys';
import qrcode from 'qrcode-generator';

/** One custodian's sheet: the share as text, which is also what a keeper takes, and as a page to be printed. */
export interface Sheet {
  /** Without an extension, such as `share-2-of-3`. */
  readonly name: string;
  readonly text: string;
  readonly page: string;
}

/** Mid error correction, and the version that fits. */
const QR = { version: 0, correction: 'M', margin: 4 } as const;

/** @param origin the log's name, by which custodians know which instance it is of */
export function makeSheet(share: RootShare, origin: string): Sheet {
  const { index, count } = share;
  const lines = formatShare(share);
  const words = wordsOf(share, origin);
  return {
    name: `share-${index}-of-${count}`,
    text: `${words.map((line) => `# ${line}\n`).join('')}\n${lines}`,
    page: pageOf(share, words, lines),
  };
}

function wordsOf({ isRehearsal, ceremony, index, threshold, count }: RootShare, origin: string) {
  return [
    ...(isRehearsal ? ['REHEARSAL: this is a share of a throw-away key, and opens nothing.'] : []),
    `Amanat, root key of the keeper of ${origin}.`,
    `Share ${index} of ${count}; any ${threshold} of them open. Ceremony ${ceremony}.`,
    'Keep it where nobody else reaches it, on paper alone. Never photograph it, send it, or say it aloud.',
    'Typed at the keeper’s own terminal: amanat ceremony unseal. O is 0; I and L are 1.',
    'Each line ends with two letters that tell a slip in it.',
  ];
}

/** One page, with nothing in it that is fetched. */
function pageOf(share: RootShare, words: readonly string[], lines: string): string {
  const [title = '', ...rest] = words;
  const paragraphs = rest.map((line) => `<p>${toHtml(line)}</p>`).join('\n');
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Share ${share.index} of ${share.count}</title>
<style>
@page { size: A5; margin: 15mm }
body { font: 11pt sans-serif }
pre { font: bold 14pt monospace; line-height: 1.7 }
svg { width: 60mm }
</style>
<h1>${toHtml(title)}</h1>
${paragraphs}
<pre>${lines}</pre>
${qrOf(lines)}
</html>
`;
}

/** A QR code of the share's lines, as one path. */
function qrOf(text: string): string {
  const code = qrcode(QR.version, QR.correction);
  code.addData(text.trimEnd());
  code.make();
  const count = code.getModuleCount();
  let path = '';
  for (let row = 0; row < count; row++) {
    for (let column = 0; column < count; column++) {
      if (code.isDark(row, column)) path += `M${column + QR.margin} ${row + QR.margin}h1v1h-1z`;
    }
  }
  const size = count + 2 * QR.margin;
  return `<svg viewBox="0 0 ${size} ${size}" role="img" aria-label="the same lines"><path d="${path}"/></svg>`;
}

function toHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
