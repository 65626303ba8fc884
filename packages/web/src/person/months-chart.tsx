import { directionOf } from '../language.ts';
import { counted, useWords } from '../use-words.ts';
import type { LookUp } from './look-ups.ts';
import { countMonths } from './months.ts';

const MONTHS = 12;
const WIDTH = 330;
const HEIGHT = 132;
const BASE = 108;
const TOP = 16;
const BAR = 17;
/** Half of it on each side, for the names of the outer months. */
const MARGIN = 18;

/** Look-ups of the last twelve months as bars, and the same as a table. */
export function MonthsChart({
  lookUps,
  now,
}: {
  readonly lookUps: readonly LookUp[];
  readonly now: number;
}) {
  const { t, format, language } = useWords();
  const months = countMonths(lookUps, now, MONTHS);
  const most = Math.max(1, ...months.map(({ read, other }) => read + other));
  const isRightToLeft = directionOf(language) === 'rtl';
  const unit = (BASE - TOP) / most;
  return (
    <section aria-labelledby="months">
      <h2 id="months">{t('months.title')}</h2>
      <p>{t('months.text', { n: format.number(MONTHS) })}</p>
      <ul className="legend" aria-hidden="true">
        <li className="legend-read">{t('months.read')}</li>
        <li className="legend-other">{t('months.other')}</li>
      </ul>
      <svg
        className="chart"
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        aria-hidden="true"
        focusable="false"
      >
        <line className="chart-base" x1="0" x2={WIDTH} y1={BASE} y2={BASE} />
        {months.map(({ year, month, read, other }, i) => {
          const step = (WIDTH - MARGIN) / MONTHS;
          const middle = (isRightToLeft ? MONTHS - 1 - i : i) * step + step / 2 + MARGIN / 2;
          const total = read + other;
          return (
            <g key={`${year} ${month}`}>
              <rect
                className="chart-read"
                x={middle - BAR / 2}
                width={BAR}
                y={BASE - read * unit}
                height={read * unit}
              />
              <rect
                className="chart-other"
                x={middle - BAR / 2 + 0.75}
                width={BAR - 1.5}
                y={BASE - total * unit + 0.75}
                height={Math.max(0, other * unit - 1.5)}
              />
              {total > 0 && (
                <text x={middle} y={BASE - total * unit - 4}>
                  {format.number(total)}
                </text>
              )}
              {(MONTHS - 1 - i) % 2 === 0 && (
                <text className="chart-month" x={middle} y={BASE + 16}>
                  {format.shortMonth(year, month)}
                </text>
              )}
            </g>
          );
        })}
      </svg>
      <details>
        <summary>{t('months.table')}</summary>
        <table>
          <caption>{t('months.title')}</caption>
          <thead>
            <tr>
              <th scope="col">{t('months.month')}</th>
              <th scope="col">{t('months.read')}</th>
              <th scope="col">{t('months.other')}</th>
            </tr>
          </thead>
          <tbody>
            {months.map(({ year, month, read, other }) => (
              <tr key={`${year} ${month}`}>
                <th scope="row">{format.month(year, month)}</th>
                <td>{format.number(read)}</td>
                <td>{format.number(other)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </details>
      <p className="visually-hidden">
        {format.list(
          months
            .filter(({ read, other }) => read + other > 0)
            .map(({ year, month, read, other }) =>
              t('months.bar', {
                month: format.month(year, month),
                ...counted(read + other, format),
              }),
            ),
        )}
      </p>
    </section>
  );
}
