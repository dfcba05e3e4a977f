"""From files of feedback, labels and preferences into the store, in bounded memory.

reading.py       rows of a file: JSON lines, a JSON array, CSV, Parquet
drafts.py        what a record says, whatever its format
fields.py        values of a record, checked
plain.py         records of Tenet's own fields, conversations, pairs, labelled texts
hh_rlhf.py       pairs of transcripts that begin alike
argilla.py       records of Argilla
label_studio.py  tasks of Label Studio
formats.py       which reader a file needs
rows.py          rows of tables from drafts, with ids that are the same each time
importing.py     `import_file`: first reads all of it, then writes it batch by batch
"""
