module github.com/tollgate/tollgate/docs

go 1.26.0
