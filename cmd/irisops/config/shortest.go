package config

// Shortest is the shortest config that a team can work with; the rest has
// defaults. docs/irisops.example.yaml explains every key.
const Shortest = `data: /var/lib/irisops
people:
  - {id: operator, unix: ops1, roles: [operator, approver]}
  - {id: second, unix: ops2, roles: [operator, approver]}
oncall: {primary: operator, sre: second, owner: second}
clusters:
  - name: main
    cookie_file: /etc/irisops/cookie
    nodes:
      - {short: core, name: iris_core@h1, role: core, dir: /srv/iris}
      - {short: edge1, name: iris_edge1@h1, role: edge, dir: /srv/iris, port: 8085}
`
