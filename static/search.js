// The search in the bar: what fits appears while one types; arrows, Enter and Escape work as in every combobox.
(() => {
  const input = document.querySelector('.search input')
  if (!input) return
  const box = document.querySelector('.found'), list = box.querySelector('[role=listbox]')
  const note = box.querySelector('.found-note')
  const { call, element } = window.halfmap
  let options = [], active = -1, turn = 0, timer = 0

  // The text with the words that were looked for marked; never HTML of anybody's.
  function marked(text, terms) {
    const found = element('span', '')
    const words = terms.filter(Boolean).map((one) => one.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
    if (!words.length) { found.append(text); return found }
    const parts = text.split(new RegExp(`(${words.join('|')})`, 'gi'))
    parts.forEach((part, n) => found.append(n % 2 ? element('mark', '', part) : part))
    return found
  }

  function star(isStarred) {
    return isStarred ? [element('span', 'starred', '★')] : []
  }

  function project(one, terms) {
    const count = one.jobs === 1 ? '1 job' : `${one.jobs} jobs`
    const line = element('span', 'line', ...star(one.is_starred), element('b', '', marked(one.name, terms)),
      element('span', 'grow'), element('small', '', count))
    return [line, ...quoted(one, terms)]
  }

  function job(one, terms) {
    const line = element('span', 'line', ...star(one.is_starred), element('b', 'number', String(one.number)),
      element('span', 'title', marked(one.title || one.type, terms)),
      ...one.tags.slice(0, 3).map((tag) => element('span', 'tag', tag)), element('span', 'grow'),
      ...(one.resolution_A ? [element('small', '', `${one.resolution_A.toFixed(2)} Å`)] : []),
      element('span', `chip ${one.state}`, one.state))
    const about = element('small', 'about', `${one.project} · ${one.type}${one.author ? ` · ${one.author}` : ''}`)
    return [line, about, ...quoted(one, terms)]
  }

  function quoted(one, terms) {
    return one.place ? [element('small', 'quote', `${one.place}: `, marked(one.excerpt, terms))] : []
  }

  function group(title, entries, draw, terms) {
    const head = element('div', 'group-name', title)
    head.id = `found-${title.toLowerCase()}`
    const made = element('div', '', head)
    made.setAttribute('role', 'group')
    made.setAttribute('aria-labelledby', head.id)
    for (const one of entries) {
      const option = element('div', 'option', ...draw(one, terms))
      option.setAttribute('role', 'option')
      option.setAttribute('aria-selected', 'false')
      option.id = `found-${options.length}`
      option.dataset.url = one.url
      const place = options.length
      option.onclick = () => go(option.dataset.url)
      option.onmousemove = () => { if (active !== place) choose(place) }
      options.push(option)
      made.append(option)
    }
    return made
  }

  function go(url) { location.href = url }

  function choose(place) {
    options[active]?.setAttribute('aria-selected', 'false')
    active = place
    const option = options[active]
    if (!option) { input.removeAttribute('aria-activedescendant'); return }
    option.setAttribute('aria-selected', 'true')
    option.scrollIntoView({ block: 'nearest' })
    input.setAttribute('aria-activedescendant', option.id)
  }

  function open(isOpen) {
    box.hidden = !isOpen
    input.setAttribute('aria-expanded', String(isOpen && options.length > 0))
    if (!isOpen) choose(-1)
  }

  function show(found) {
    options = []
    choose(-1)
    const groups = []
    if (found.projects.length) groups.push(group('Projects', found.projects, project, found.terms))
    if (found.jobs.length) groups.push(group('Jobs', found.jobs, job, found.terms))
    list.replaceChildren(...groups)
    const total = options.length
    note.textContent = found.problem ? `${found.problem[0].toUpperCase()}${found.problem.slice(1)}.`
      : !total ? (found.q.trim() ? 'Nothing found.' : '')
        : found.has_more ? `The first ${total}. Enter shows all.` : `${total} found.`
    open(true)
  }

  async function look() {
    const mine = ++turn
    const text = input.value
    if (!text.trim()) { show({ q: '', terms: [], projects: [], jobs: [], problem: null }); return }
    try {
      const found = await call('GET', `/search?q=${encodeURIComponent(text)}`)
      if (mine === turn) show(found)
    } catch (error) {
      if (mine === turn) { show({ q: '', terms: [], projects: [], jobs: [], problem: error.message }) }
    }
  }

  input.addEventListener('input', () => { clearTimeout(timer); timer = setTimeout(look, 90) })
  input.addEventListener('focus', () => { if (box.hidden) look() })
  input.addEventListener('keydown', (event) => {
    const count = options.length
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault()
      if (box.hidden) { look(); return }
      if (!count) return
      const step = event.key === 'ArrowDown' ? 1 : -1
      choose(active < 0 ? (step > 0 ? 0 : count - 1) : (active + step + count) % count)
    } else if (event.key === 'Enter' && active >= 0 && !box.hidden) {
      event.preventDefault()
      go(options[active].dataset.url)
    } else if (event.key === 'Escape') {
      event.preventDefault()
      clearTimeout(timer)
      turn++
      if (!box.hidden) open(false)
      else input.value = ''
    }
  })
  input.form.addEventListener('focusout', (event) => {
    if (!input.form.contains(event.relatedTarget)) open(false)
  })
  box.addEventListener('mousedown', (event) => event.preventDefault())
})()
