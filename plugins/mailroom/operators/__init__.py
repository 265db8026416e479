"""Airflow operators: six-line executes over the services.

Belongs here: arguments as templates yield them, the Airflow context, XCom, assets, metrics.
Does not: anything that decides, reads mail or writes an archive. The engine is imported
inside ``execute``, so that a DAG file that imports an operator stays light to parse.
"""
