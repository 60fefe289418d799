"""How a report looks on a screen and on paper."""

STYLE = """
:root { color-scheme: light; }
body { margin: 0; background: #f4f6f8; color: #17212b; font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 860px; margin: 0 auto; padding: 24px; }
header, section { background: #fff; border-radius: 10px; padding: 18px 22px; margin: 0 0 14px; }
h1 { font-size: 22px; margin: 0; } h2 { font-size: 17px; margin: 0 0 8px; } h3 { font-size: 14px; margin: 12px 0 4px; }
.number { font-size: 34px; font-weight: 650; margin: 6px 0 0; }
.number span { font-size: 14px; font-weight: 400; color: #5a6876; }
.warnings { color: #8a3b00; padding-left: 18px; }
.slices { display: grid; grid-template-columns: repeat(3, 1fr); gap: 12px; }
figure { margin: 0; } figure img { width: 100%; image-rendering: pixelated; border-radius: 6px; }
figcaption { font-size: 12px; color: #5a6876; }
.bar { display: block; height: 3px; background: #17212b; margin: 4px 0; }
table { border-collapse: collapse; font-size: 13px; } th { text-align: left; font-weight: 550; }
th, td { padding: 3px 14px 3px 0; vertical-align: top; border-bottom: 1px solid #e3e8ed; overflow-wrap: anywhere; }
th { overflow-wrap: normal; }
code, pre { font: 12px/1.45 ui-monospace, monospace; overflow-wrap: anywhere; white-space: pre-wrap; }
footer { color: #5a6876; font-size: 12px; }
@media (max-width: 640px) { .slices { grid-template-columns: 1fr; } }
@media print { body { background: #fff; } main { padding: 0; } section { break-inside: avoid; } }
"""
