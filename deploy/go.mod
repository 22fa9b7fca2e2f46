module github.com/tollgate/tollgate/deploy

go 1.26.0
