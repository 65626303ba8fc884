/** Has the browser save a JSON text as a file of this name. */
export function saveFile(name: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: 'application/json' }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  // The browser has taken hold of it by the next turn; what it holds is not left lying about.
  setTimeout(() => URL.revokeObjectURL(url), 0);
}
