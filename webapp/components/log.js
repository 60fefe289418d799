// The lines of a log, filtered by level and text in the browser; it stays at the end unless scrolled up.
export function render({ model, el }) {
  const box = document.createElement('div')
  box.className = 'log-box'
  const bar = document.createElement('div')
  bar.className = 'log-bar'
  const level = document.createElement('select')
  level.setAttribute('aria-label', 'Level')
  for (const [value, text] of [['all', 'all lines'], ['auto', 'Auto-refine'], ['warning', 'warnings and errors'], ['error', 'errors']]) {
    const option = document.createElement('option')
    option.value = value; option.textContent = text; level.append(option)
  }
  const search = document.createElement('input')
  search.type = 'search'; search.placeholder = 'filter …'; search.setAttribute('aria-label', 'Filter the log')
  const count = document.createElement('span')
  const link = document.createElement('a')
  link.textContent = 'Download'
  bar.append(level, search, count, link)
  const lines = document.createElement('pre')
  lines.tabIndex = 0
  lines.setAttribute('role', 'region')
  lines.setAttribute('aria-label', 'Log')
  box.append(bar, lines)
  el.append(box)

  const kinds = (line) => /ERROR/.test(line) ? 'error' : /WARNING/.test(line) ? 'warning' : /Auto-refine:/.test(line) ? 'auto' : 'plain'
  function fits(kind) {
    if (level.value === 'all') return true
    if (level.value === 'warning') return kind === 'warning' || kind === 'error'
    return kind === level.value
  }
  function draw() {
    const isAtEnd = lines.scrollTop + lines.clientHeight >= lines.scrollHeight - 20
    const wanted = search.value.toLowerCase()
    const found = model.lines.map((text) => [kinds(text), text])
      .filter(([kind, text]) => fits(kind) && text.toLowerCase().includes(wanted))
    lines.replaceChildren(...found.map(([kind, text]) => {
      const row = document.createElement('span')
      row.className = `line-${kind}`; row.textContent = text + '\n'
      return row
    }))
    count.textContent = `${found.length} of ${model.lines.length} lines`
    link.hidden = !model.url
    link.href = model.url
    link.setAttribute('download', '')
    if (isAtEnd) lines.scrollTop = lines.scrollHeight
  }
  level.onchange = draw
  search.oninput = draw
  model.on(['lines', 'url'], draw)
  draw()
  setTimeout(() => { lines.scrollTop = lines.scrollHeight }, 0)
}
