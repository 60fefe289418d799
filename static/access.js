// What Bokeh's controls leave out for people who use the keyboard or listen to pages: names of sliders, roles and keys of
// tabs, and nothing to be reached on the tabs that are not shown.
(() => {
  const ENDS = [', from', ', to']

  function slider(view) {
    const handles = view.shadow_el.querySelectorAll('.noUi-handle')
    const title = view.model.title || view.model.name || 'value'
    handles.forEach((handle, n) => {
      const label = title + (handles.length > 1 ? ENDS[n] : '')
      if (handle.getAttribute('aria-label') !== label) handle.setAttribute('aria-label', label)
    })
  }

  function keys(event) {
    const tabs = [...event.currentTarget.querySelectorAll('.bk-tab')]
    const at = tabs.indexOf(event.target)
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key]
    if (at < 0 || (step === undefined && event.key !== 'Enter' && event.key !== ' ')) return
    event.preventDefault()
    const next = tabs[(at + (step || 0) + tabs.length) % tabs.length]
    next.click()
    next.focus()
  }

  function tabs(view) {
    const header = view.shadow_el.querySelector('.bk-header')
    if (!header) return
    const list = header.querySelector('.bk-headers-wrapper') || header
    if (list.getAttribute('role') !== 'tablist') {
      list.setAttribute('role', 'tablist')
      list.addEventListener('keydown', keys)
      new MutationObserver(() => tabs(view)).observe(list, { childList: true })
    }
    header.querySelectorAll('.bk-tab').forEach((tab, n) => {
      const isActive = n === view.model.active
      tab.setAttribute('role', 'tab')
      tab.setAttribute('aria-selected', String(isActive))
      tab.tabIndex = isActive ? 0 : -1
    })
    view.child_views.forEach((child, n) => { child.el.inert = n !== view.model.active })
  }

  // Chosen words are no options of a list box, though the library that draws them says that they are selected.
  function choice(view) {
    view.shadow_el.querySelectorAll('.choices__list--multiple [aria-selected]').forEach((one) => one.removeAttribute('aria-selected'))
  }

  const KINDS = [[/Slider$/, slider], [/Tabs$/, tabs], [/MultiChoice$/, choice]]
  setInterval(() => {
    if (document.hidden || !window.Bokeh?.index) return
    for (const view of Bokeh.index.query((one) => one.shadow_el && KINDS.some(([kind]) => kind.test(one.model.type)))) {
      KINDS.find(([kind]) => kind.test(view.model.type))[1](view)
    }
  }, 400)
})()
