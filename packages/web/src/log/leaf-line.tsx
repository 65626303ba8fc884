import type { LogEntry, PublicLeaf } from '@amanat/core/verify';
import { publicTypes } from '@amanat/core/verify';
import { useWords } from '../use-words.ts';

/** One leaf of the log as text. */
export function LeafLine({ entry: { index, leaf } }: { readonly entry: LogEntry }) {
  const { t, format } = useWords();
  if (leaf === null)
    return (
      <li>
        <Place index={index} />
        <p>{t('log.unknown')}</p>
      </li>
    );
  if (leaf.kind === 'public') return <PublicLine index={index} leaf={leaf} />;
  const begun = Date.parse(`${leaf.hour.slice(0, 13)}:00:00Z`);
  const hour = { date: format.date(begun), hour: format.clock(begun) };
  return (
    <li>
      <Place index={index} />
      <p>
        {t(`log.${leaf.kind}`)}
        <span className="hint">{t('log.hour', hour)}</span>
      </p>
    </li>
  );
}

function PublicLine({ index, leaf }: { readonly index: number; readonly leaf: PublicLeaf }) {
  const { t } = useWords();
  // Each type has its words, or this does not compile.
  const type = publicTypes.find((each) => leaf.document.includes(`"type":"${each}"`)) ?? 'other';
  return (
    <li className="leaf-public">
      <Place index={index} />
      <div>
        <p>{t(`leaf.${type}`)}</p>
        <details>
          <summary>{t('log.text')}</summary>
          <pre className="code" dir="ltr">
            {leaf.document}
          </pre>
        </details>
      </div>
    </li>
  );
}

function Place({ index }: { readonly index: number }) {
  const { format } = useWords();
  return <span className="place">{format.number(index)}</span>;
}
