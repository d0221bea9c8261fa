/// What of a command's answer has to be as `dockerd` has it, besides the exit code
/// and standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Errors {
    Same,
    /// Words of a runtime or a kernel: that there are some is enough.
    Own,
}

/// One line of a shell, in which `docker` is the real command line.
#[derive(Debug)]
pub(crate) struct Check {
    pub(crate) name: &'static str,
    pub(crate) line: &'static str,
    pub(crate) errors: Errors,
}

const fn same(name: &'static str, line: &'static str) -> Check {
    Check {
        name,
        line,
        errors: Errors::Same,
    }
}

const fn own(name: &'static str, line: &'static str) -> Check {
    Check {
        name,
        line,
        errors: Errors::Own,
    }
}

/// In order: later ones stand on what earlier ones made. `$ARCHIVE` is an image as
/// `docker save` writes it, `$ROOT` a root file system, `$REGISTRY` a registry with
/// `team/web:1`, `$PORT` a free port.
pub(crate) const CHECKS: &[Check] = &[
    same("load", "docker load -i $ARCHIVE"),
    same("load quietly", "docker load -q < $ARCHIVE"),
    same("import", "docker import $ROOT tiny:1 | cut -c1-7"),
    same("pull", "docker pull -q $REGISTRY/team/web:1"),
    own("pull unknown", "docker pull -q $REGISTRY/no/such:1"),
    same("images", "docker images --format '{{.Repository}}:{{.Tag}}' | sort"),
    same("images by name", "docker images -q busybox | wc -l"),
    same(
        "tag",
        "docker tag busybox:latest mine:2 && docker images -q mine:2 | wc -l",
    ),
    same("tag unknown", "docker tag nothing:9 mine:3"),
    same("rmi a name", "docker rmi mine:2"),
    same("rmi unknown", "docker rmi nothing:9"),
    same(
        "image inspect",
        "docker image inspect busybox:latest --format '{{json .Config.Cmd}} {{.Os}} {{len .RootFS.Layers}}'",
    ),
    same("run", "docker run --rm busybox echo hi"),
    same(
        "run writes both streams",
        "docker run --rm busybox sh -c 'echo out; echo err >&2'",
    ),
    same("run exit code", "docker run --rm busybox sh -c 'exit 3'"),
    own("run missing command", "docker run --rm busybox /no/such"),
    own("run what is no program", "docker run --rm busybox /etc/passwd"),
    own("run unknown image", "docker run --rm $REGISTRY/no/such:1"),
    same(
        "run of what is killed inside",
        "docker run --rm busybox sh -c 'sleep 1000 & kill -9 $!; wait $!; echo $?'",
    ),
    same("run with input", "echo typed | docker run --rm -i busybox cat"),
    same(
        "run with a terminal",
        "sleep 2 | script -qec 'docker run --rm -it busybox tty' /dev/null",
    ),
    same(
        "run with a size",
        "sleep 2 | script -qec 'stty rows 33 cols 101; docker run --rm -it busybox sh -c \"sleep 0.3; stty size\"' /dev/null",
    ),
    same(
        "run env, dir, user, host",
        "docker run --rm -e A=1 -w /tmp -u 65534:65534 -h box busybox sh -c 'echo $A; pwd; id -u; hostname'",
    ),
    same("run entrypoint", "docker run --rm --entrypoint echo busybox one two"),
    same(
        "run with limits",
        "docker run --rm -m 64m --cpus 0.5 --pids-limit 50 busybox sh -c 'echo limited'",
    ),
    same(
        "run read-only",
        "docker run --rm --read-only --tmpfs /tmp busybox sh -c 'echo x > /tmp/x && cat /tmp/x; touch /etc/x || echo refused' 2>/dev/null",
    ),
    same(
        "run with a volume",
        "docker run --rm -v data:/data busybox sh -c 'echo kept > /data/f' && docker run --rm -v data:/data busybox cat /data/f",
    ),
    same(
        "run with a path",
        "mkdir -p $DIR/bound && echo bound > $DIR/bound/f && docker run --rm -v $DIR/bound:/b:ro busybox sh -c 'cat /b/f; touch /b/g || echo refused' 2>/dev/null",
    ),
    same(
        "run with capabilities dropped",
        "docker run --rm --cap-drop ALL busybox grep CapEff /proc/self/status",
    ),
    same(
        "run with no new privileges",
        "docker run --rm --security-opt no-new-privileges busybox grep NoNewPrivs /proc/self/status",
    ),
    same(
        "run with an rlimit",
        "docker run --rm --ulimit nofile=100:200 busybox sh -c 'ulimit -n; ulimit -Hn'",
    ),
    same(
        "run with a host's name",
        "docker run --rm --add-host db:10.1.2.3 busybox grep -w db /etc/hosts",
    ),
    same(
        "run without a network",
        "docker run --rm --network none busybox ip -o link | cut -d: -f2",
    ),
    own("run with bad memory", "docker run --rm -m 1m busybox true"),
    own("run with a bad name", "docker run --rm --name 'a b' busybox true"),
    same(
        "run in the background",
        "docker run -d --name web -p 127.0.0.1:$PORT:80 --label tier=front busybox sh -c 'mkdir /www; echo page > /www/index.html; echo ready; echo warn >&2; exec httpd -f -p 80 -h /www' | wc -c",
    ),
    same(
        "the published port answers",
        "for i in $(seq 50); do wget -qO- http://127.0.0.1:$PORT/ && break; sleep 0.1; done",
    ),
    own("a name that is taken", "docker run -d --name web busybox true"),
    same(
        "ps",
        "docker ps --format '{{.Names}} {{.Image}} {{.Ports}} {{.Label \"tier\"}}'",
    ),
    same("ps by label", "docker ps -q --filter label=tier=front | wc -l"),
    same("ps of none", "docker ps -q --filter name=nobody | wc -l"),
    same("ps table", "docker ps | head -1 | tr -s ' '"),
    same("port", "docker port web"),
    same(
        "inspect",
        "docker inspect web --format '{{.State.Status}} {{.State.Running}} {{.Name}} {{json .Config.Labels}} {{.RestartCount}}'",
    ),
    same("inspect unknown", "docker inspect nobody"),
    same("logs", "docker logs web"),
    same("logs tail", "docker logs --tail 2 web 2>/dev/null"),
    same("logs with times", "docker logs -t web 2>/dev/null"),
    same("logs unknown", "docker logs nobody"),
    same("exec", "docker exec web echo inside"),
    same("exec exit code", "docker exec web sh -c 'exit 5'"),
    same("exec with input", "echo typed | docker exec -i web cat"),
    same(
        "exec with a terminal",
        "sleep 2 | script -qec 'docker exec -it web tty' /dev/null",
    ),
    own("exec missing command", "docker exec web /no/such; [ $? -ge 126 ]"),
    same(
        "exec env and user",
        "docker exec -e B=2 -u nobody -w /tmp web sh -c 'echo $B; id -un; pwd'",
    ),
    same("top", "docker top web | tail -n +2 | grep -c httpd"),
    same("rename", "docker rename web site && docker ps --format '{{.Names}}'"),
    same(
        "pause",
        "docker pause site && docker ps --format '{{.Status}}' | grep -o Paused",
    ),
    own("exec in a paused one", "docker exec site true"),
    same("unpause", "docker unpause site"),
    same(
        "update",
        "docker update --restart on-failure:3 site && docker inspect site --format '{{.HostConfig.RestartPolicy.Name}}:{{.HostConfig.RestartPolicy.MaximumRetryCount}}'",
    ),
    same("restart", "docker restart -t 0 site"),
    own("rm of a running one", "docker rm site"),
    same("kill", "docker kill site && docker wait site"),
    same(
        "kill of a stopped one",
        "docker kill site 2>&1 | grep -o 'is not running'",
    ),
    same(
        "exited",
        "docker ps -a --filter name=site --format '{{.Status}}' | cut -d' ' -f1,2",
    ),
    same("start again", "docker start site"),
    same("stop", "docker stop -t 0 site"),
    same("rm", "docker rm site"),
    same("rm unknown", "docker rm nobody"),
    same(
        "rm forced",
        "docker run -d --name gone busybox sleep 1000 >/dev/null; docker rm -f gone",
    ),
    same(
        "create and start attached",
        "docker create --name once busybox sh -c 'echo once; exit 4' >/dev/null; docker start -a once",
    ),
    same("wait", "docker wait once"),
    same(
        "logs followed to the end",
        "docker run -d --name slow busybox sh -c 'for i in 1 2 3; do echo $i; sleep 0.2; done' >/dev/null; docker logs -f slow",
    ),
    same(
        "events",
        "docker events --since $(date -d '1 minute ago' +%s) --until $(($(date +%s)+1)) --filter container=once --format '{{.Action}}'",
    ),
    same(
        "the memory killer",
        "docker run --name hog -m 16m --memory-swap 16m busybox sh -c 'x=aaaaaaaaaaaaaaaa; while true; do x=$x$x; done' 2>/dev/null; docker inspect hog --format '{{.State.OOMKilled}} {{.State.ExitCode}}'",
    ),
    same("prune", "docker container prune -f | head -1"),
    same("version", "docker version --format '{{.Server.Os}}'"),
    same("info", "docker info --format '{{.OSType}} {{.Driver}} {{.Containers}}'"),
    same("volume ls", "docker volume ls -q"),
    same("volume rm", "docker volume rm data"),
    same(
        "network ls",
        "docker network ls --format '{{.Name}} {{.Driver}}' | sort",
    ),
];
