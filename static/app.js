// Theme, keyboard and the state of the connection; nothing else of a page runs here.
(() => {
  const root = document.documentElement
  const stored = document.cookie.match(/(?:^|; )theme=(light|dark)/)
  function keep(theme) {
    document.cookie = `theme=${theme}; path=/; max-age=31536000; samesite=lax`
  }
  if (!stored) {
    const theme = matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light'
    keep(theme)
    if (theme !== root.dataset.theme) location.reload()
  }

  function typing(event) {
    const target = event.composedPath()[0]
    return target && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName || ''))
  }

  // Controls lie inside shadow roots: the first that fits is looked for through all of them.
  function find(selector, from = document) {
    const direct = from.querySelector(selector)
    if (direct) return direct
    for (const element of from.querySelectorAll('*')) {
      const found = element.shadowRoot && find(selector, element.shadowRoot)
      if (found) return found
    }
    return null
  }

  let goes = false
  const places = { h: './', p: 'projects', q: 'queue' }
  addEventListener('keydown', (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key === 'k') {
      event.preventDefault()
      document.querySelector('.top input[type=search]')?.focus()
      return
    }
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event)) return
    if (localStorage.getItem('halfmap-keys') === 'off') return
    if (goes && places[event.key]) { location.href = places[event.key]; return }
    goes = event.key === 'g'
    if (event.key === '?') location.href = 'help'
    if (event.key === 'n') location.href = 'new'
    if (event.key === '[') find('.step-back button, :host(.step-back) button')?.click()
    if (event.key === ']') find('.step-on button, :host(.step-on) button')?.click()
    if (/^[1-9]$/.test(event.key)) {
      const header = find('.bk-header')
      header?.querySelectorAll('.bk-tab')[Number(event.key) - 1]?.click()
    }
  })

  addEventListener('DOMContentLoaded', () => {
    const button = document.querySelector('#theme')
    if (button) button.onclick = () => {
      keep(root.dataset.theme === 'dark' ? 'light' : 'dark')
      location.reload()
    }
    const dot = document.querySelector('.dot'), bar = document.querySelector('.lost-bar')
    function shown(isLost) {
      dot?.classList.toggle('lost', isLost)
      dot?.setAttribute('title', isLost ? 'connection lost' : 'connected')
      bar?.classList.toggle('shown', isLost)
    }
    // The address holds all that a page shows, so it is simply opened again once the server answers.
    let waits = false
    function lost() {
      shown(true)
      if (waits) return
      waits = true
      setInterval(async () => {
        try {
          const answer = await fetch('assets/halfmap.svg', { cache: 'no-store' })
          if (answer.ok) location.reload()
        } catch { /* not yet */ }
      }, 1500)
    }
    const known = new WeakSet()
    setInterval(() => {
      for (const document_ of window.Bokeh?.documents ?? []) {
        if (known.has(document_)) continue
        known.add(document_)
        document_.on_event('connection_lost', () => lost())
      }
    }, 500)
    // Whoever may no longer be here is told so, even if the connection never stood.
    setInterval(async () => {
      if (waits || !dot) return
      try {
        const answer = await fetch('api/v1/me', { cache: 'no-store' })
        if (answer.status === 401) location.reload()
      } catch { /* the connection tells */ }
    }, 10000)
    addEventListener('offline', () => shown(true))
    addEventListener('online', () => shown(false))
  })
})()
