"""The frame of a page, which fits the width of its window, and the script that saves a text as a file `name`."""

PAGE = """
{% block preamble %}
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<style>
  body { font: 15px/1.4 system-ui, sans-serif; margin: 0 auto; max-width: 1320px; padding: 8px 12px; color: #1b1b1b; }
</style>
{% endblock %}
"""
SAVE = """
const link = document.createElement("a")
link.href = URL.createObjectURL(new Blob([text], {type: "text/csv"}))
link.download = name
link.click()
URL.revokeObjectURL(link.href)
"""
