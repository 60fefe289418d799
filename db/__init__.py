"""The database of projects and jobs.

`migrate` makes and updates the tables, `session` opens a database, `repository` has every query and every change,
`models` the tables as classes, `words` the states and roles. A caller writes

    database = open_database(url)
    with database.writing() as session:
        job = jobs.create(session, project.id, "refine", parameters, who=user.id)
"""
