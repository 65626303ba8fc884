/** Several things, each on a line of its own. */
export function Lines({ items }: { readonly items: readonly string[] }) {
  return (
    <ul className="lines">
      {items.map((item) => (
        <li key={item}>{item}</li>
      ))}
    </ul>
  );
}
